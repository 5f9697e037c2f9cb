"""Imports run one way, in the layer order of the design; torch stays above it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "src" / "janiform"

READS: dict[str, set[str]] = {
    "errors": set(),
    "ir": {"errors"},
    "text": {"ir"},
    "explain": {"ir", "text"},
    "programs": {"text"},
    "repl": {"programs"},
    "tasks": {"programs"},
    "compile": {"ir"},
    "files": {"errors"},
    "model": {"errors", "files"},
    "train": {"model", "tasks"},
    "pair": {"compile", "model", "text"},
    "interop": {"pair", "programs"},
    "realistic": {"pair", "tasks", "train"},
    "learn": {"explain", "pair", "tasks", "train"},
    "decompile": {"pair", "tasks", "train"},
    "procedural": {"pair", "tasks", "train"},
    "bench": {"realistic", "learn", "decompile", "procedural", "interop"},
    "viz": {"bench"},
    "cli": {"explain", "viz", "repl"},
    "__main__": {"cli"},
}
"""What each layer reads directly; what those read is allowed too."""

DOORS = {
    ("janiform.ir.program", "pair"),
    ("janiform.ir.program", "text"),
    ("janiform.pair.pair", "realistic"),
}
"""Call-time imports that point upward: methods that open onto a higher floor."""

TORCH = {"model", "train", "pair", "realistic", "learn", "decompile", "procedural", "bench", "viz", "interop"}
"""The layers that may import torch when they are imported."""


def below(layer: str) -> set[str]:
    """Every layer that ``layer`` may import."""
    direct = READS[layer]
    return direct.union(*(below(d) for d in direct)) if direct else direct


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found.append((".".join(("janiform", *(p for p in parts if p != "__init__"))), path))
    return found


def imports(module: str, path: Path) -> Iterator[tuple[str, int, bool]]:
    """Yield (imported module, line, whether at import time); what only the type checker reads is left out."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]

    def visit(node: ast.AST, eager: bool) -> Iterator[tuple[str, int, bool]]:
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                children: list[ast.stmt] | Iterator[ast.AST] = node.orelse
            case ast.Import(names=names):
                yield from ((a.name, node.lineno, eager) for a in names)
                return
            case ast.ImportFrom(module=source, names=names, level=level):
                base = package.rsplit(".", level - 1)[0] if level else ""
                origin = ".".join(p for p in (base, source or "") if p)
                yield from ((f"{origin}.{a.name}", node.lineno, eager) for a in names)
                return
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                eager, children = False, ast.iter_child_nodes(node)
            case _:
                children = ast.iter_child_nodes(node)
        for child in children:
            yield from visit(child, eager)

    yield from visit(ast.parse(path.read_text()), True)


def layer_of(module: str) -> str:
    """The layer of a dotted name; names that the package itself offers count as the root."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in READS else ""


@pytest.mark.parametrize(("module", "path"), modules(), ids=[name for name, _ in modules()])
def test_imports_point_downward(module: str, path: Path) -> None:
    """A module imports its own layer and those below, and nothing upward but through a door."""
    layer = layer_of(module)
    assert layer or module == "janiform", f"{module} is in no layer of the design"
    for target, line, eager in imports(module, path):
        top, to = target.split(".")[0], layer_of(target)
        if top == "torch":
            assert not eager or layer in TORCH, (
                f"{module}:{line} imports torch, which stays above the model layer"
            )
        elif top == "janiform" and layer and target != "janiform.__version__":
            assert to, f"{module}:{line} imports {target} from the package root; name the module it lives in"
            fine = to == layer or to in below(layer) or (not eager and (module, to) in DOORS)
            assert fine, (
                f"{module}:{line} imports {target}: {layer} may read {', '.join(sorted(below(layer)))}"
            )


def test_layers_have_no_cycle() -> None:
    """The table above is itself an order."""
    assert all(layer not in below(layer) for layer in READS)


def test_import_is_quick_and_reads_no_torch() -> None:
    """``import janiform`` takes at most 0.3 s of CPU and leaves torch unread, down to a parsed and evaluated program."""
    script = (
        "import time, sys; start = time.process_time(); import janiform; spent = time.process_time() - start;"
        "janiform.parse('copy = tokens;')('ab'); assert 'torch' not in sys.modules; print(spent)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) <= 0.3


def test_every_public_name_is_there() -> None:
    """Each name of ``__all__`` exists and is listed by ``dir``; an unknown one is an ``AttributeError``."""
    import janiform

    assert [n for n in janiform.__all__ if not hasattr(janiform, n)] == []
    assert set(janiform.__all__) <= set(dir(janiform))
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        janiform.colour  # noqa: B018
