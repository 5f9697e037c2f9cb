"""Programs from data: train a relaxed program, harden it, print it."""
