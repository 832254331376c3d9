"""Alignments: which source words each target word came from, as weights, links, error rates and pictures."""

Link = tuple[int, int]  # (source token, target token), both from 0
