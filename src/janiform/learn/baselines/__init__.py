"""What a learned program is measured against: unigram, bag of words, and a standard transformer of equal size."""

from janiform.learn.baselines.bag_of_words import BagOfWords, bag_of_words
from janiform.learn.baselines.scores import class_accuracy, iob2_f1, sequence_accuracy, token_accuracy
from janiform.learn.baselines.standard import Standard, standard
from janiform.learn.baselines.unigram import Unigram, unigram

__all__ = [
    "BagOfWords",
    "Standard",
    "Unigram",
    "bag_of_words",
    "class_accuracy",
    "iob2_f1",
    "sequence_accuracy",
    "standard",
    "token_accuracy",
    "unigram",
]
