"""What a learned program is measured against: unigram, bag of words, and a standard transformer of equal size."""
