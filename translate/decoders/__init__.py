"""Decoders: from embedded target pieces and what is attended to a feature vector for each next piece.

All decoders offer `start` (a state for each source), `step` (one target position), `forward` (a whole target
sentence, with its attention weights, for alignment) and `features` (the same without weights, for training);
one step at a time equals the whole sentence.
"""
