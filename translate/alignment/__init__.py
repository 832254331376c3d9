"""Alignments: which source words each target word came from, as weights, links, error rates and pictures."""
