"""Which cells an implementation or a configuration cannot make, as its benchmark says it."""

from orchestrator.images import Image
from orchestrator.names import in_version_range, matches
from orchestrator.specs import Configuration, Device, Implementation, Unsupported


def why_unsupported(
    image: Image, device: Device, implementation: Implementation, configuration: Configuration
) -> str | None:
    """Return the first reason why this combination cannot run, None if it can."""
    groups = (*implementation.unsupported, *configuration.unsupported)
    return next((group.reason for group in groups if _is_in(group, image, device, configuration)), None)


def _is_in(group: Unsupported, image: Image, device: Device, configuration: Configuration) -> bool:
    return (
        device in group.devices
        and matches(configuration.name, group.configurations)
        and matches(image.name, group.images)
        and (not group.versions or _is_between(image, group.versions.get(image.framework)))
    )


def _is_between(image: Image, versions: str | None) -> bool:
    return versions is not None and in_version_range(image.framework, image.version, image.framework + versions)
