"""What a project has, as text for people and as JSON for programs."""

from collections.abc import Mapping

from orchestrator import console
from orchestrator.catalog import list_suites, load_benchmarks, load_images
from orchestrator.images import ImageVariant
from orchestrator.locking import is_locked
from orchestrator.store import list_runs
from orchestrator.workbench import Workbench
from orchestrator.yaml_lines import shown_path

Json = Mapping[str, object]


def list_project(bench: Workbench) -> Json:
    """Return suites, benchmarks, images and runs, and the folders they were found in."""
    project = bench.project
    return {
        "images_from": shown_path(project.images, project.cwd),
        "suites_from": shown_path(project.suites, project.cwd),
        "suites": [path.stem for path in list_suites(project)],
        "benchmarks": {
            one.name: {
                "title": one.title,
                "implementations": [implementation.name for implementation in one.implementations],
                "configurations": [configuration.name for configuration in one.configurations],
            }
            for one in load_benchmarks(project)
        },
        "images": {
            image.name: {
                "python": image.python,
                "released": image.released,
                "unavailable": image.unavailable or None,
                "variants": [variant.name for variant in image.variants],
                "locked": [
                    variant.name for variant in image.variants if is_locked(ImageVariant(image=image, variant=variant))
                ],
            }
            for image in load_images(project)
        },
        "runs": [shown_path(folder.path, project.cwd) for folder in list_runs(bench.settings.runs)],
    }


def render_project(bench: Workbench) -> str:
    """Write the same for people."""
    project = bench.project
    images = [
        (
            image.name,
            image.released,
            image.python,
            " ".join(
                variant.name + ("*" if is_locked(ImageVariant(image=image, variant=variant)) else "")
                for variant in image.variants
            )
            or "published only",
        )
        for image in load_images(project)
    ]
    benchmarks = [
        (
            one.name,
            " ".join(implementation.name for implementation in one.implementations),
            " ".join(configuration.name for configuration in one.configurations),
        )
        for one in load_benchmarks(project)
    ]
    runs = [(shown_path(folder.path, project.cwd),) for folder in list_runs(bench.settings.runs)]
    suites = [(path.stem,) for path in list_suites(project)]
    return "\n".join(
        (
            console.table(("suite",), suites, title=f"Suites, from {shown_path(project.suites, project.cwd)}"),
            console.table(("benchmark", "implementations", "configurations"), benchmarks, title="Benchmarks"),
            console.table(
                ("image", "released", "Python", "variants (* locked)"),
                images,
                title=f"Images, from {shown_path(project.images, project.cwd)}",
            ),
            console.table(("run",), runs, title="Runs, newest first") if runs else "No runs yet.",
        )
    )
