"""Training: the only part of the program that knows Lightning."""
