import http.server
import threading
from importlib.metadata import version

import pytest

import seq2see
import translate
from translate.commands import doctor
from translate.platforms import Facts, choose_plan


def test_it_tells_about_this_machine(capsys):
    assert seq2see.main(["doctor"]) == 0
    out = capsys.readouterr().out
    for what in ("python", "torch", "lightning", "sentencepiece", "sacrebleu", "datasets", "cores", "disk"):
        assert f"\n{what} " in out
    assert out.startswith(f"seq2see       {translate.__version__}, ")
    assert out.endswith("all that is needed is there\n")
    assert "hub           https://huggingface.co not asked" in out
    for engine in ("ctranslate2", "onnx"):
        assert f"\n{engine:<13} {version(engine)}\n" in out


@pytest.mark.parametrize(
    ("engine", "how"),
    [
        ("ctranslate2", "for `seq2see export`: pip install 'ctranslate2>="),
        ("onnx", "for `seq2see export --format onnx`: pip install 'onnx>="),
    ],
)
def test_what_exports_need_may_be_missing(engine, how, capsys, monkeypatch):
    here = doctor.installed_version
    monkeypatch.setattr(doctor, "installed_version", lambda name: None if name == engine else here(name))
    assert seq2see.main(["doctor"]) == 0
    assert f"\n{engine:<13} not installed ({how}" in capsys.readouterr().out


def test_something_missing_is_exit_3_and_says_how_to_get_it(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "requirements", lambda: ["numpy", "no-such-thing>=2", "torch>=99"])
    assert seq2see.main(["doctor"]) == 3
    out = capsys.readouterr().out
    assert "\nno-such-thing missing\n" in out
    assert "\nmissing: no-such-thing is not installed: pip install 'no-such-thing>=2'\n" in out
    assert ", needed is >=99: pip install 'torch>=99'\n" in out
    assert "nothing is said about" in out
    assert out.endswith("something is missing\n")


def test_what_is_there_in_a_fitting_version_is_not_missing():
    assert doctor.missing_packages(["numpy>=1", "jsonargparse[signatures]>=4.49,<5"]) == []


def test_without_an_installation_the_checkout_tells_what_is_needed(monkeypatch):
    def not_installed(name):
        raise doctor.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.importlib.metadata, "requires", not_installed)
    assert any(requirement.startswith("torch>=") for requirement in doctor.requirements())


def test_what_only_developers_need_is_not_needed(monkeypatch):
    listed = ["torch>=2", 'ruff>=0.11; extra == "dev"']
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: listed)
    assert doctor.requirements() == ["torch>=2"]


def test_what_training_takes_by_default_is_told(capsys):
    plain = Facts(system="Linux", cores=2, cpu_bf16=False, cuda=False, cuda_bf16=False, mps=False)
    doctor.show_compute(plain)
    assert "by default on cpu in float32" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("gain", "precision", "cores", "bf16", "loop", "processes"),
    [
        (None, "float32", 1, "no (no instructions for it)", "yes", 1),
        (0.75, "float32", 2, "no (measured: 0.8 times float32)", "yes", 2),
        (5.04, "bf16", 64, "yes (measured: 5.0 times float32)", "no", 8),
    ],
)
def test_the_fast_paths_of_a_cpu_are_told(capsys, monkeypatch, gain, precision, cores, bf16, loop, processes):
    facts = Facts("Linux", cores, gain is not None and gain > 1.5, False, False, False, gain)
    monkeypatch.setattr(doctor, "can_keep_freed_memory", lambda: cores > 1)
    doctor.show_compute(facts)
    out = capsys.readouterr().out
    assert f"by default on cpu in {precision}" in out
    assert f"\nfast paths    bf16: {bf16}\n" in out
    assert f"kept for the next tensor: {'yes' if cores > 1 else 'no'}\n" in out
    assert f"Bahdanau's loop as one function: {loop} (" in out
    assert out.endswith(f"processes that share a batch: {processes}\n")


@pytest.mark.parametrize(("bf16", "said"), [(True, "yes"), (False, "no")])
def test_the_fast_paths_of_a_gpu_are_told(bf16, said):
    facts = Facts("Linux", 8, cpu_bf16=False, cuda=True, cuda_bf16=bf16, mps=False)
    assert doctor.fast_paths(choose_plan("auto", "auto", facts), facts) == [
        f"bf16: {said}",
        "fused attention and optimiser: yes",
        "the corpus's ids on the GPU, batches of few shapes: yes",
        "work recorded as CUDA graphs: yes",
    ]


def test_mps_is_listed(capsys):
    doctor.show_compute(Facts("Darwin", 8, cpu_bf16=False, cuda=False, cuda_bf16=False, mps=True))
    out = capsys.readouterr().out
    assert "devices       cpu, mps\n" in out
    assert "fast paths    those of torch alone\n" in out


def test_little_memory_and_disk_are_pointed_out(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "ENOUGH_MEMORY", 2**70)
    monkeypatch.setattr(doctor, "ENOUGH_DISK", 2**70)
    doctor.show_space()
    out = capsys.readouterr().out
    assert "training may need" in out
    assert "a run may need" in out


def test_a_system_that_does_not_tell_its_memory_is_no_trouble(capsys, monkeypatch):
    monkeypatch.delattr("os.sysconf", raising=False)  # Windows
    doctor.show_space()
    assert "memory" not in capsys.readouterr().out


class Answers(http.server.BaseHTTPRequestHandler):
    """A server that has nothing."""

    def do_GET(self):
        self.send_error(404)

    def log_message(self, *args):
        pass


@pytest.fixture
def address(monkeypatch):
    """A server on this machine, asked without any proxy."""
    monkeypatch.setenv("no_proxy", "*")
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_network_is_asked_only_when_told_so(capsys, monkeypatch, address):
    monkeypatch.setattr(doctor, "PLACES", {"hub": address, "packages": "http://127.0.0.1:1"})
    doctor.show_network(ask=False)
    assert capsys.readouterr().out.count("not asked") == 2
    doctor.show_network(ask=True)
    hub, packages = capsys.readouterr().out.splitlines()
    assert hub == f"hub           {address} answers"
    assert "http://127.0.0.1:1 cannot be reached (" in packages
    assert packages.endswith("use local files, see `seq2see corpus --help`")
