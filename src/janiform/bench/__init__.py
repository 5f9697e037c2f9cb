"""What can be scored: the library's programs on recorded behaviors."""
