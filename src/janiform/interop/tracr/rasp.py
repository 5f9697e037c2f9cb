"""Tracr's language of RASP expressions: the same names and the same values, for ``tracr.rasp.rasp``.

Expressions hold Python callables, as Tracr's do; ``translate.to_program`` turns them into a Janiform program.

Source: Lindner et al. 2023 (Tracr); names and behavior follow its public interface.
"""

from __future__ import annotations

from janiform.interop.tracr.evaluation import (
    DefaultRASPEvaluator,
    RASPEvaluator,
    evaluate,
)
from janiform.interop.tracr.expressions import (
    DEFAULT_ANNOTATORS,
    Annotations,
    Annotator,
    RASPExpr,
    annotate,
    default_name,
    descendants,
)
from janiform.interop.tracr.selectors import (
    Aggregate,
    Comparison,
    ConstantSelector,
    Predicate,
    Select,
    Selector,
    SelectorAnd,
    SelectorNot,
    SelectorOr,
    SelectorValue,
    SelectorWidth,
    selector_and,
    selector_not,
    selector_or,
)
from janiform.interop.tracr.sops import (
    ConstantSOp,
    Encoding,
    Full,
    IndicesType,
    LengthType,
    LinearSequenceMap,
    Map,
    NaryMap,
    Primitive,
    SequenceMap,
    SOp,
    TokensType,
    categorical,
    default_encoding,
    get_encoding,
    indices,
    is_categorical,
    is_numerical,
    length,
    numerical,
    sop_not,
    tokens,
)
from janiform.ir.nodes import Value

NumericValue = int | float

__all__ = [
    "Aggregate",
    "Annotations",
    "Annotator",
    "Comparison",
    "ConstantSOp",
    "ConstantSelector",
    "DEFAULT_ANNOTATORS",
    "DefaultRASPEvaluator",
    "Encoding",
    "Full",
    "IndicesType",
    "LengthType",
    "LinearSequenceMap",
    "Map",
    "NaryMap",
    "NumericValue",
    "Predicate",
    "Primitive",
    "RASPEvaluator",
    "RASPExpr",
    "SOp",
    "Select",
    "Selector",
    "SelectorAnd",
    "SelectorNot",
    "SelectorOr",
    "SelectorValue",
    "SelectorWidth",
    "SequenceMap",
    "TokensType",
    "Value",
    "annotate",
    "categorical",
    "default_encoding",
    "default_name",
    "descendants",
    "evaluate",
    "get_encoding",
    "indices",
    "is_categorical",
    "is_numerical",
    "length",
    "numerical",
    "selector_and",
    "selector_not",
    "selector_or",
    "sop_not",
    "tokens",
]
