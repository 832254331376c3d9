"""Models by name: taken from the Hugging Face hub, and put there.

A model there is what `seq2see export --format hub` writes: a run directory without what only training needs.
Nothing else of a repository is downloaded, and nothing of it is ever run: weights are safetensors.
"""

import re
from pathlib import Path

from translate.errors import InputError, UsageError
from translate.run_directory import MADE_BY, RunDirectory

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
LOG_IN = "log in with `hf auth login`"


def find_run(name: str | Path) -> RunDirectory:
    """Open a run directory, or a model of the Hugging Face hub: `user/name` or `user/name@revision`.

    A name is the hub's if neither it nor its first part is here; a Path never is. A downloaded model stays in
    the hub's cache, and serves when the hub is out of reach.

    Raises:
        InputError: there is none, or a damaged one.
    """
    if isinstance(name, str) and _is_of_hub(name):
        path = download(name)
        if not (path / "config.yaml").is_file():
            raise InputError(
                f"{name} on the Hugging Face hub is no model of seq2see: it has no config.yaml; "
                "`seq2see export RUN --format hub --upload USER/NAME` puts one there"
            )
        run = RunDirectory.open(path)
    else:
        run = RunDirectory.open(name)
    run.check_files()
    return run


def _is_of_hub(name: str) -> bool:
    repository = name.partition("@")[0]
    user = repository.partition("/")[0]
    return bool(REPOSITORY.fullmatch(repository)) and not Path(name).exists() and not Path(user).exists()


def download(name: str) -> Path:
    """Return the folder of a model of the hub, downloaded unless its files are in the cache already."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    repository, _, revision = name.partition("@")
    nothing_here = f"{name} is no folder here ({MADE_BY}), and"
    try:
        return Path(
            snapshot_download(repository, revision=revision or None, allow_patterns=[*RunDirectory.PORTABLE])
        )
    except GatedRepoError:
        raise InputError(
            f"{repository} on the Hugging Face hub is open only to whom its owner has let in: ask on its "
            f"page, then {LOG_IN}"
        ) from None
    except RepositoryNotFoundError:
        raise InputError(
            f"{nothing_here} the Hugging Face hub has no {repository}, or a private one: {LOG_IN}"
        ) from None
    except RevisionNotFoundError:
        raise InputError(f"{repository} on the Hugging Face hub has no revision {revision}") from None
    except Exception as error:  # huggingface_hub and what it stands on raise dozens of kinds
        raise InputError(
            f"{nothing_here} it cannot be had from the Hugging Face hub: {_first_line(error)}"
        ) from None


def check_repository(name: str) -> None:
    """Raise UsageError if this cannot be the name of a repository."""
    if not REPOSITORY.fullmatch(name):
        raise UsageError(f"--upload {name}: needed is USER/NAME, as on the Hugging Face hub")


def upload(folder: Path, repository: str, *, private: bool) -> str:
    """Put a folder on the hub, into a new repository or an old one; return its address.

    Raises:
        InputError: nobody is logged in, the hub refuses or is out of reach, or the repository is public and
            should be private.
    """
    from huggingface_hub import HfApi, get_token

    if get_token() is None:
        raise InputError(f"nobody is logged in to the Hugging Face hub: {LOG_IN}, or set HF_TOKEN")
    hub = HfApi(library_name="seq2see")
    try:
        address = hub.create_repo(repository, private=private, exist_ok=True)
        public = private and not hub.repo_info(repository).private  # there was one before
        if not public:
            hub.upload_folder(
                repo_id=repository, folder_path=folder, commit_message="Model exported by seq2see"
            )
    except Exception as error:  # as in `download`
        raise InputError(
            f"{repository} cannot be put on the Hugging Face hub: {_first_line(error)}"
        ) from None
    if public:
        raise InputError(
            f"{repository} exists on the Hugging Face hub and is public, so --private cannot hold: nothing "
            "was uploaded; make it private on its page, or choose another name"
        )
    return str(address)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
