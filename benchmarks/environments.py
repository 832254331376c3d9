"""A virtual environment for each peer, made once from the package index, by version."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

# The torch that seq2see runs on here, so that what differs is the peer.
TORCH = f"torch=={version('torch').partition('+')[0]}"

# Packages of each environment, in the order of the installations. What follows --no-deps is installed alone:
# eole asks for a web server, audio and more that no training imports; JoeyNMT asks for a protobuf that no
# current tensorboard takes, leaves importlib_metadata out, and fails with a later sentencepiece.
ENVIRONMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "eole": (
        (TORCH,),
        ("--no-deps", "eole==0.6.4"),
        (
            *(
                "configargparse",
                "ctranslate2==4.8.5",
                "huggingface_hub",
                "numpy",
                "pyahocorasick",
                "pydantic",
            ),
            *("pyonmttok", "pyyaml", "rapidfuzz", "rich", "sacrebleu", "safetensors", "sentencepiece==0.2.2"),
            *("six", "tensorboard", "tokenizers", "torch-optimi"),
        ),
    ),
    "joeynmt": (
        (TORCH,),
        ("--no-deps", "joeynmt==2.3.0"),
        (
            *("datasets", "importlib_metadata", "matplotlib", "numpy", "packaging", "pandas", "protobuf"),
            *("pyyaml", "sacrebleu", "sacremoses", "seaborn", "sentencepiece==0.2.0", "setuptools"),
            *("subword-nmt", "tensorboard"),
        ),
    ),
    "huggingface": ((TORCH,), ("transformers==5.23.0", "sentencepiece==0.2.1")),
    "ctranslate2": (("ctranslate2==4.8.5", "sentencepiece==0.2.1"),),
    "eflomal": (("eflomal==2.0.0",),),  # compiled on installation
    "fast_align": (("systran-align==3.5.0",),),
}


def find_python(name: str, venvs: Path) -> str:
    """Return the Python of a system's environment, which is made if it is not there: seq2see's is our own."""
    if name == "seq2see":
        return sys.executable
    folder = venvs / name
    python = folder / "bin" / "python"
    made = folder / "made"  # written last: what was interrupted is done again
    if not made.is_file():
        print(f"making {folder} ...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        for packages in ENVIRONMENTS[name]:
            # What pip prints is for people: results alone go to stdout.
            subprocess.run([*install, *packages], check=True, stdout=sys.stderr)
        made.touch()
    return str(python)
