"""Networks' files that are hostile, damaged or not what they seem are refused in one line, and nothing of them is run."""

import builtins
import os
import pickle
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from published_files import content, made, network, write
from torch import nn

from flows.cli import main
from pipeline.experiment.errors import BadInput
from pipeline.published.importing import import_checkpoint


class Call:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


class Setting:
    """Runs code when it gets its state."""

    def __init__(self) -> None:
        self.word = "state"

    def __setstate__(self, state: Any) -> None:
        Path("ran").touch()


def view(shape: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> Any:
    """A tensor's call with any view on a storage of four numbers."""
    storage = torch.zeros(4).__reduce_ex__(4)[1][0]
    return {"ema": Call(torch._utils._rebuild_tensor_v2, storage, offset, shape, stride, False, {})}


def numbers(raw: bytes) -> Any:
    """A tensor's storage from such bytes."""
    return {"ema": Call(torch.storage._load_from_bytes, raw)}


def stored() -> bytes:
    """What torch writes of four numbers."""
    raw: bytes = torch.zeros(4).__reduce_ex__(4)[1][0].__reduce__()[1][0]
    return raw


def looped() -> Any:
    """A network that is within itself."""
    net = network("ddpmpp-grey")
    net.model._modules["enc"] = net.model
    return {"ema": net}


def doubling() -> Any:
    """A network of a few modules, each of which is twice in the one before: a billion names."""
    inner = nn.ModuleDict()
    for _ in range(30):
        inner = nn.ModuleDict({"a": inner, "b": inner})
    net = network("ddpmpp-grey")
    net.model._modules["enc"] = inner
    return {"ema": net}


def edited(**arguments: Any) -> Any:
    """A network whose arguments are others than its weights are of."""
    net = network("ddpmpp-grey")
    net._init_kwargs |= arguments
    return {"ema": net}


def code(*parts: bytes) -> bytes:
    """Operations of a pickle."""
    return b"\x80\x04" + b"".join(parts) + b"."


CODE: dict[str, tuple[Any, str]] = {
    "os.system": (Call(os.system, "touch ran"), "names posix.system"),
    "eval": (Call(builtins.eval, "open('ran', 'w')"), "names builtins.eval"),
    "exec as ema": ({"ema": Call(builtins.exec, "open('ran', 'w')")}, "names builtins.exec"),
    "exec beside ema": (content("ddpmpp-grey", more=Call(builtins.exec, "open('ran', 'w')")), "names builtins.exec"),
    "getattr": (Call(getattr, "x", "y"), "names builtins.getattr"),
    "import": (Call(__import__, "antigravity"), "names builtins.__import__"),
    "Popen": (Call(subprocess.Popen, ["touch", "ran"]), "names subprocess.Popen"),
    "a class with __setstate__": (Setting(), ".Setting, which"),
    "torch.load": (Call(torch.load, "ran"), "names torch.serialization.load"),
    "code within a tensor": (numbers(pickle.dumps(Call(os.system, "touch ran"))), "names posix.system"),
    "a dotted name": (code(b"\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R"), "names os.system"),
    "a name within an allowed one": (code(b"ccollections\nOrderedDict.__init__\n)R"), "names collections.OrderedDict.__init__"),
    "a name with strange letters": (code(b"ctorch.nn.modules.x\x0b\nLinear\n)R"), "names 'torch.nn.modules.x\\x0b.Linear'"),
    "old instances": (code(b"(ios\nsystem\n"), "operation INST"),
    "registered extensions": (code(b"\x82\x01"), "operation EXT1"),
    "references": (code(b"\x8c\x01xQ"), "refers to something outside"),
}
BOMBS: dict[str, tuple[Any, str]] = {
    "a deep nest": (code(b")", b"\x85" * 200_000), "a tuple"),
    "doubled tuples as a key": (code(b"})q\x00", b"0h\x00h\x00\x86q\x00" * 60, b"K\x01s"), "a key"),
    "an endless text": (code(b"\x8d", struct.pack("<Q", 1 << 60)), "a text of 1152921504606846976 bytes"),
    "endless bytes": (code(b"\x8e", struct.pack("<Q", 1 << 60)), "cut short"),
    "an endless number": (code(b"\x8b", struct.pack("<i", 1 << 30)), "operation LONG4"),
    "a far place of the memo": (code(b"Nr\xff\xff\xff\xff"), "it holds nothing"),
    "endless operations": (code(b"N0" * 1_100_000), "more than 2000000 pickle operations"),
    "a huge view": (view((10**9, 10**9), (0, 0)), "in a storage of 4"),
    "a network in itself": (looped(), "modules in each other"),
    "doubled modules": (doubling(), "it has more than"),
    "a thousand million blocks": (edited(num_blocks=10**9), "num_blocks 1000000000"),
    "a thousand resolutions": (edited(channel_mult=[1] * 1000), "arguments have a list"),
    "endless channels": (edited(model_channels=1 << 60), "channels"),
}
DAMAGED: dict[str, tuple[Any, str]] = {
    "no operation": (code(b"\xff"), "operation 0xff"),
    "what was not kept": (code(b"j\xff\xff\xff\xff"), "was not there"),
    "no mark": (code(b"t"), "a mark is missing"),
    "an empty stack": (code(b"R"), "stack is empty"),
    "a call of a text": (code(b"\x8c\x01x)R"), "calls a str"),
    "a state for a text": (code(b"\x8c\x01x}b"), "a state to a str"),
    "no end": (b"\x80\x04}", "cut short"),
    "nothing": (b"", "neither a pickle nor safetensors"),
    "a new protocol": (b"\x80\x09N.", "protocol 9"),
    "a zip": (b"PK\x03\x04", "zip"),
    "a list": ([1], "a list"),
    "no ema": ({"net": 1}, "only 'net'"),
    "a module that is none of EDM's": ({"ema": nn.Linear(1, 1)}, "'torch.nn.modules.linear.Linear'"),
    "another way to denoise": ({"ema": made("VPPrecond")}, "a VPPrecond"),
    "another network": (edited(model_type="DhariwalUNet"), "'SongUNet' where its arguments say DhariwalUNet"),
    "a network that nobody knows": (edited(model_type="Transformer"), "arguments say Transformer"),
    "an argument that nobody knows": (edited(extra=1), "argument extra is not known"),
    "other sizes": (edited(model_channels=32), "shape"),
    "more blocks": (edited(num_blocks=2), "it has no weights"),
    "fewer weights": (edited(label_dim=3), "it has no weights map_label"),
    "a tensor beyond its storage": (view((5,), (1,)), "in a storage of 4"),
    "a tensor that begins too late": (view((2,), (1,), 3), "in a storage of 4"),
    "a negative step": (view((2,), (-1,), 1), "stride [-1]"),
    "a storage that is cut": (numbers(stored()[:-1]), "not all there"),
    "a storage with more": (numbers(stored() + b"x"), "not all there"),
    "a storage of something else": (numbers(pickle.dumps(1, 2) * 9), "not in torch's format"),
}
ALL = CODE | BOMBS | DAMAGED


@pytest.mark.parametrize("what", ALL)
def test_it_is_refused_in_a_line_in_no_time_and_runs_nothing(what: str, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    made_of, word = ALL[what]
    path = tmp_path / "net.pkl"
    if isinstance(made_of, bytes):
        path.write_bytes(made_of)
    else:
        write(path, made_of)
    began = time.monotonic()
    assert main(["import-checkpoint", str(path)]) == 2
    assert time.monotonic() - began < 20
    said = capsys.readouterr()
    assert word in said.err
    assert said.err.count("\n") == 1
    assert len(said.err) < 500
    assert said.out == ""
    assert [each.name for each in tmp_path.iterdir()] == ["net.pkl"]


@pytest.mark.parametrize("what", ["os.system", "eval", "exec as ema", "a class with __setstate__", "code within a tensor"])
def test_the_same_files_do_run_code_where_pythons_own_reader_reads_them(what: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "net.pkl", CODE[what][0])
    monkeypatch.setattr(torch, "load", lambda file, **_: pickle.load(file))  # as before torch 2.6
    pickle.loads((tmp_path / "net.pkl").read_bytes())
    assert Path("ran").exists()


def test_a_file_that_is_cut_anywhere_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.pkl", content("ddpmpp-grey")).read_bytes()
    for length in [*range(1, 400, 7), *range(400, len(whole), len(whole) // 60), len(whole) - 1]:
        (tmp_path / "net.pkl").write_bytes(whole[:length])
        with pytest.raises(BadInput, match=r"net\.pkl: is not imported: it is cut short"):
            import_checkpoint(tmp_path / "net.pkl")
    assert not (tmp_path / "net.safetensors").exists()


def test_bytes_that_are_changed_anywhere_never_break_the_reader(tmp_path: Path, capsys: Any) -> None:
    whole = write(tmp_path / "whole.pkl", content("ddpmpp-grey")).read_bytes()
    generator = torch.Generator().manual_seed(0)
    refused = 0
    for _ in range(150):
        raw = bytearray(whole)
        for place in torch.randint(0, 6000, (3,), generator=generator).tolist():
            raw[place] = int(torch.randint(0, 256, (1,), generator=generator))
        (tmp_path / "net.pkl").write_bytes(raw)
        code = main(["import-checkpoint", str(tmp_path / "net.pkl")])
        assert (code, capsys.readouterr().err.count("\n")) in ((0, 0), (2, 1))
        refused += code == 2
    assert refused > 75


def test_a_file_that_is_not_there_is_said_to_be(tmp_path: Path, capsys: Any) -> None:
    assert main(["import-checkpoint", str(tmp_path / "net.pkl")]) == 2
    assert "there is no such file" in capsys.readouterr().err
