"""Compile programs with Tracr, and keep their parameters and encoders as plain data: FOLDER MAXIMUM-LENGTH CASE...

Runs under a Python that has Tracr (see benchmarks/README.md).
"""

import json
import sys
from pathlib import Path


def keep(model, path: Path) -> None:
    import numpy as np

    arrays = {
        f"{module}|{key}": np.asarray(w) for module, own in model.params.items() for key, w in own.items()
    }
    outputs = getattr(model.output_encoder, "encoding_map", None)
    facts = {
        "heads": model.model_config.num_heads,
        "causal": model.model_config.causal,
        "bos": model.input_encoder.bos_token,
        "pad": model.input_encoder.pad_token,
        "inputs": list(model.input_encoder.encoding_map.items()),
        "outputs": None if outputs is None else list(outputs.items()),
    }
    np.savez(path.with_suffix(".npz"), **arrays)
    path.with_suffix(".json").write_text(json.dumps(facts))


if __name__ == "__main__":
    from tracr_worker import compiled

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for case in sys.argv[3:]:
        keep(compiled(case, [0, 1, 2, 3], int(sys.argv[2])), folder / case)
