"""Programs from data: search or train a discrete program, make it readable, and prove its faces equal.

>>> from janiform.learn import Climbing, Learning, learn
>>> learned = learn(Learning(("hist",), vocab_size=5, max_len=5, climbing=Climbing(climbs=1)))
>>> learned.token_accuracy
1.0
"""

from janiform.learn.climb import Climbing
from janiform.learn.equality import Equality
from janiform.learn.learning import Learned, learn, resume
from janiform.learn.many import learn_many, resume_many
from janiform.learn.relaxed import Relaxation, relax
from janiform.learn.settings import Learning
from janiform.learn.words import Words, words

__all__ = [
    "Climbing",
    "Equality",
    "Learned",
    "Learning",
    "Relaxation",
    "Words",
    "learn",
    "learn_many",
    "relax",
    "resume",
    "resume_many",
    "words",
]
