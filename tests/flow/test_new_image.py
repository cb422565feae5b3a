"""`orch new image` on the venv engine: what it writes locks, builds, passes its check and trains its step."""

import json
import platform
import shutil
from pathlib import Path

from tests.toy_project import Toy

ROOT = Path(__file__).parents[2]
NEW = ("new", "image", "mine", "--package", "toy==1.0.0", "--python", platform.python_version())


def test_a_new_family_locks_and_builds_at_once_and_trains(toy: Toy, tmp_path: Path) -> None:
    written = toy.orch(*NEW)
    locked = toy.orch("lock", "mine-1.0.0")
    built = toy.orch("build", "mine-1.0.0", "--engine", "venv", "--json")

    family = toy.project / "images" / "mine"
    assert written.stdout.splitlines() == [
        f"project/images/mine/{name}" for name in ("Dockerfile", "versions.yaml", "check.py", "step.py")
    ]
    assert written.stderr.endswith("Next: orch lock mine-1.0.0 && orch build mine-1.0.0\n")
    assert locked.stdout.startswith("mine-1.0.0+cpu: 1 files")
    (one,) = json.loads(built.stdout)
    assert (one["image"], one["state"]) == ("mine-1.0.0+cpu", "built"), one
    shutil.copy(ROOT / "images" / "steps.py", tmp_path / "steps.py")
    run = "sys.path.insert(0, sys.argv[1]); exec(open(sys.argv[2]).read()); print(open('out/step.json').read())"
    program = ("python", "-c", f"import sys; {run}", str(tmp_path), str(family / "step.py"))
    report = json.loads(toy.orch("shell", "mine-1.0.0", "--engine", "venv", "--", *program).stdout)
    assert report["version"] == "1.0.0"
    assert report["line"]["losses"][-1] < report["line"]["losses"][0]


def test_a_family_that_is_there_is_kept(toy: Toy) -> None:
    before = (toy.project / "images" / "toy" / "versions.yaml").read_bytes()

    ended = toy.orch("new", "image", "toy")

    assert ended.exit_code == 2
    assert "there already, and kept as it is" in ended.stderr
    assert (toy.project / "images" / "toy" / "versions.yaml").read_bytes() == before
