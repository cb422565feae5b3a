"""What implementations and configurations need of a version, a device and each other, as their benchmark says it."""

from orchestrator.names import in_version_range, matches
from orchestrator.specs import Configuration, Device, Image, Implementation, Need


def find_unmet(
    image: Image, device: Device, implementation: Implementation, configuration: Configuration
) -> str | None:
    """Return the reason of the first need that this combination does not have, None if it has them all."""
    needs = (*implementation.needs, *configuration.needs)
    return next((need.reason for need in needs if not _is_met(need, image, device, configuration)), None)


def _is_met(need: Need, image: Image, device: Device, configuration: Configuration) -> bool:
    wanted = need.versions.get(image.framework)
    return (
        device in need.devices
        and matches(configuration.name, need.configurations)
        and (wanted is None or in_version_range(image.framework, image.version, image.framework + wanted))
    )
