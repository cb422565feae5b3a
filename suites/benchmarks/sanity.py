"""What makes a launch a failed one and never a fast number. Each check returns an entry of the record."""
from __future__ import absolute_import, division, print_function

import re

from clocks import finite, rounded

LIMIT = 0.01
EVENT_LIMIT = 0.1
LOOP_FLOOR_S = 0.002  # what a loop may take beside its samples, however short they are
FETCH_FLOOR_S = 50e-6  # two fetches may be that far apart: 16 microseconds were seen, of samples of a millisecond
FETCH_LIMIT_S = 200e-6  # no fetch takes longer by itself, 51 microseconds were seen, of MXNet; one that does computes the result
CLOCK_FLOOR_S = 0.001  # what two clocks may be read apart
UPDATES, LOOKS = "train_step", "forward"  # the phase that lowers the loss, and the one that leaves it
LOSS_LIMITS = {"ieee": 1e-4}  # as at the gate; of the other precisions
REDUCED_LIMIT = 2e-2
MESSAGES = {
    "loss_finite": "the loss is not finite (%(fetched)d were fetched). Look at the data and the learning rate.",
    "loss_forward": "forward gives the loss %(forward)r, train_step begins with %(train_step)r. One computes another net.",
    "loss_falls": "the loss went from %(first)r to %(last)r on one batch. The step does not train.",
    "synchronised": "%(phase)s: the result came %(error).3g of a sample after its stop. `sync` does not wait for it.",
    "loop_time": "%(phase)s: the loop took %(error).3g more than its samples. Work is done outside the timed step.",
    "clock": "%(phase)s: the clock is %(error).3g away from the machine's. It is no wall clock (CPU time?).",
    "event_time": "%(phase)s: the device's own clock is %(error).3g of a sample away from the host's. One is wrong.",
    "parameters": "%(found)r trained values where the benchmark says %(expected)r. Another model is measured.",
}


def check_losses(losses, protocol, falls):
    """Look at the losses of each phase in the order they came: {phase: [loss]}."""
    known = [finite(loss) for phase in protocol["phases"] for loss in losses[phase]]
    entries = [{"check": "loss_finite", "ok": None not in known, "last": known[-1], "fetched": len(known)}]
    if falls and UPDATES in losses:
        first, last = finite(losses[UPDATES][0]), finite(losses[UPDATES][-1])
        entries.append({"check": "loss_falls", "ok": None not in known and last < first, "first": first, "last": last})
    if LOOKS in losses and UPDATES in protocol["phases"][protocol["phases"].index(LOOKS):]:  # both of the first weights
        entries.append(_check_forward(losses[LOOKS], losses[UPDATES], LOSS_LIMITS.get(protocol["precision"], REDUCED_LIMIT)))
    return entries


def _check_forward(forward, train_step, limit):
    """Hold every loss of the forward phase against the first of the training, which the gate knows."""
    expected = train_step[0]
    far = max(forward, key=lambda loss: abs(loss - expected))
    return {"check": "loss_forward", "ok": abs(far - expected) <= limit * abs(expected), "forward": finite(far),
            "train_step": finite(expected), "limit": limit}


def check_clock(phase, before, after):
    """Bound the distance of the samples' clock from the machine's, over the phase; before, after: clocks.read_clocks."""
    wall_s, raw_s = after[0] - before[0], after[1] - before[1]
    return {"check": "clock", "phase": phase, "ok": abs(wall_s - raw_s) < max(LIMIT * raw_s, CLOCK_FLOOR_S),
            "error": rounded((wall_s - raw_s) / raw_s), "limit": LIMIT, "floor_s": CLOCK_FLOOR_S}


def check_synchronised(phase, samples, alone_s=0.0):
    """Bound how much longer a fetch takes than by itself by 1 % of the sample in the median, or the floor.

    By itself: the second one, or one of a result that has long been there (alone_s), whichever is longer. What comes
    late was not waited for. That it takes long by itself as well is no excuse: there the fetch computes.
    """
    own_s = [min(max(sample.again, alone_s), FETCH_LIMIT_S) for sample in samples]
    late_s = [max(0.0, sample.fetch - own) for sample, own in zip(samples, own_s)]
    error = sorted(late / sample.wall for late, sample in zip(late_s, samples))[len(samples) // 2]
    return {"check": "synchronised", "phase": phase, "error": rounded(error), "limit": LIMIT, "floor_s": FETCH_FLOOR_S,
            "alone_s": rounded(alone_s), "ok": error < LIMIT or sorted(late_s)[len(samples) // 2] < FETCH_FLOOR_S}


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
