"""What makes a launch a failed one and never a fast number. Each check returns an entry of the record."""
from __future__ import absolute_import, division, print_function

import re

from clocks import finite, rounded

LIMIT = 0.01
EVENT_LIMIT = 0.1
LOOP_FLOOR_S = 0.002  # what a loop may take beside its samples, however short they are
MESSAGES = {
    "loss_finite": "the loss is not finite (%(fetched)d were fetched). Look at the data and the learning rate.",
    "loss_falls": "the loss went from %(first)r to %(last)r on one batch. The step does not train.",
    "synchronised": "%(phase)s: the result came %(error).3g of a sample after its stop. `sync` does not wait for it.",
    "loop_time": "%(phase)s: the loop took %(error).3g more than its samples. Work is done outside the timed step.",
    "event_time": "%(phase)s: the device's own clock is %(error).3g of a sample away from the host's. One is wrong.",
    "parameters": "%(found)r trained values where the benchmark says %(expected)r. Another model is measured.",
}


def check_losses(losses, falls):
    good = all(finite(loss) is not None for loss in losses)
    first, last = finite(losses[0]), finite(losses[-1])
    entries = [{"check": "loss_finite", "ok": good, "last": last, "fetched": len(losses)}]
    if falls:
        entries.append({"check": "loss_falls", "ok": good and last < first, "first": first, "last": last})
    return entries


def check_synchronised(phase, samples):
    """Bound the fetch, as a share of its sample, by 1 % in the median: what comes late was not waited for."""
    error = sorted(sample.fetch / sample.wall for sample in samples)[len(samples) // 2]
    return {"check": "synchronised", "phase": phase, "ok": error < LIMIT, "error": rounded(error), "limit": LIMIT}


def check_events(phase, samples):
    """Bound the distance of the two clocks by 10 % in the median: the host's sample holds the other and a sync."""
    errors = [sample.event / sample.wall - 1 for sample in samples]
    error = sorted(errors, key=abs)[len(errors) // 2]
    return {"check": "event_time", "phase": phase, "ok": abs(error) < EVENT_LIMIT, "error": rounded(error),
            "limit": EVENT_LIMIT}


def check_loop_time(phase, samples):
    """Bound the time between the samples by 1 % of them, or the floor.

    The longest tenth of the gaps, at least one, is set aside: there the scheduler had taken the CPU (seen in 3 % of
    launches on a busy machine). Work that is left over from a step shows in every gap.
    """
    gaps = sorted(after.start - before.end for before, after in zip(samples, samples[1:]))
    kept = gaps[:len(gaps) - max(1, len(gaps) // 10)]
    inside_s, outside_s = sum(sample.wall for sample in samples), sum(kept)
    return {"check": "loop_time", "phase": phase, "ok": outside_s < max(LIMIT * inside_s, LOOP_FLOOR_S),
            "error": rounded(outside_s / inside_s), "limit": LIMIT, "floor_s": LOOP_FLOOR_S,
            "set_aside": len(gaps) - len(kept)}


def check_parameters(expected, found):
    if expected is None:
        return []
    return [{"check": "parameters", "ok": found == expected, "expected": expected, "found": found}]


def same_release(promised, found):
    """Compare two versions up to the local part; a post number counts only where both have one."""
    (release_a, post_a), (release_b, post_b) = _release(promised), _release(found)
    return release_a == release_b and (post_a == post_b or None in (post_a, post_b))


def _release(version):
    """Split 1.0.1.post2, 0.1.12_2 or 1.10.2+cu113 into release and post number."""
    public = version.split("+")[0]
    post = re.match(r"(.*?)(?:[._-]?post|_)(\d+)$", public)
    return (post.group(1), post.group(2)) if post else (public, None)
