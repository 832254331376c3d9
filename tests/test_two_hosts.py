"""Two machines, as nearly as one can have them: network namespaces that a veth pair connects."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from one_of_several import without_dropout
from tiny_training import tiny_config

from translate.config_files import dump_config
from translate.run_directory import RunDirectory
from translate.training.trainer import train

NAME = f"s2s{os.getpid() % 100_000}"
PORT = 29400


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True, capture_output=True, text=True)


@pytest.fixture
def hosts():
    """Names of two namespaces; the first has the address 10.77.0.1, the second 10.77.0.2."""
    if shutil.which("ip") is None:
        pytest.skip("the command ip is missing")
    names = [f"{NAME}{side}" for side in "ab"]
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", names[0], "type", "veth", "peer", "name", names[1])
        for number, name in enumerate(names, start=1):
            ip("link", "set", name, "netns", name)
            ip("-n", name, "address", "add", f"10.77.0.{number}/24", "dev", name)
            ip("-n", name, "link", "set", name, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield names
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces cannot be made here: {error.stderr.strip()}")
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@pytest.mark.optional
def test_two_hosts_train_one_model_as_one_process_does(hosts, tmp_path):
    """Each has a torchrun of its own, which meet at the first one's address."""
    config = without_dropout(tiny_config(tmp_path, max_steps=4, validate_every=2, processes=1))
    alone = train(config, tmp_path / "alone")
    settings = replace(config, training=replace(config.training, processes=0, nodes=2))
    (tmp_path / "config.yaml").write_text(dump_config(settings))
    started = [
        subprocess.Popen(
            [
                *("ip", "netns", "exec", name, sys.executable, "-m", "torch.distributed.run"),
                *("--nnodes=2", "--nproc-per-node=1", f"--node-rank={number - 1}"),
                *("--master-addr=10.77.0.1", f"--master-port={PORT}"),
                *(
                    "-m",
                    "seq2see",
                    "train",
                    f"--config={tmp_path / 'config.yaml'}",
                    f"--out={tmp_path / 'run'}",
                ),
            ],
            env={**os.environ, "GLOO_SOCKET_IFNAME": name, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number, name in enumerate(hosts, start=1)
    ]
    said = [process.communicate(timeout=1500)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], "\n".join(said)
    run = RunDirectory.open(tmp_path / "run")
    assert run.read_json(run.summary_path)["processes"] == 2
    columns = ("step", "valid_nll", "valid_bleu")
    rows = [[[row[column] for column in columns] for row in each.read_metrics()] for each in (alone, run)]
    assert len(rows[0]) == 2
    assert rows[0] == rows[1]
