"""One answer to one plan: policy → charge → learn → door. The same function in every engine.

`join` and `train` are a device's two stages; both raise a `Refused` (or a `FormatError` or `SignatureError`) when the server
asks for something that was not accepted, and the keeper turns every one of them into the same ABSTAIN. What depends on *data*
never raises: a training that fails in any way counts as one on an empty pool, is noised and sent, and stays charged.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

from reticent.actions.pool import Pool
from reticent.egress import Payment, SealedRelease, SimulatedRelease, Update, seal, simulate
from reticent.errors import IntegrityError, PolicyViolation, Replayed
from reticent.evaluate.measure import measure
from reticent.evaluate.shares import longest_share
from reticent.learn.train import Learn, local_update
from reticent.model import catalogue
from reticent.privacy.noise import SeededNoise, SystemNoise
from reticent.records.budget import check_budget
from reticent.records.canonical import digest
from reticent.records.entries import Charge, Entry, Receipted
from reticent.records.ledger import Ledger
from reticent.records.messages import JoinReply, JoinRequest, TrainRequest
from reticent.records.plan import Plan, read_plan
from reticent.records.policy import check_plan
from reticent.records.terms import Terms

FloatVector = npt.NDArray[np.float32]

LARGEST_POOL = (
    32_768  # the newest examples of a pool that count: a constant of the release, so memory has a bound (ADR 9)
)
MOST_UNFINISHED = 3  # charged rounds of one plan without a release

log = logging.getLogger("reticent.client")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One round of one plan."""

    plan: Plan
    plan_id: str
    round: int


def join(request: JoinRequest, *, terms: Terms, payment: Payment, now: int, walls: dict[str, str]) -> JoinReply:
    """Check the plan against the policy, charge the round, and show the ledger's head. Asked again, it answers the same bytes.

    now: unix seconds. walls: what confines this device's processes, recorded with the charge.
    Guarantee: the charge is on disk before this returns.
    Raises: Refused, SignatureError, LedgerError (the server has counter-signed a head that this ledger does not hold: the
    state folder was restored from a copy); nothing is charged then.
    """
    plan = read_plan(request.plan, terms.operator)
    ledger = payment.ledger
    if request.last_receipt is not None:
        ledger.check_receipt(request.last_receipt)
    known = ledger.charge(request.plan.id, request.round)
    if known is None:
        check_plan(plan, terms.policy, round=request.round, now=now)
        _check_model(plan)
        check_budget(ledger.charged_events(), plan.events(), terms.policy)
        _check_unfinished(ledger, request.plan.id)
        ledger.append(
            Charge(
                plan_id=request.plan.id,
                round=request.round,
                weights_hash=request.weights_hash,
                policy_hash=terms.policy_hash,
                events=plan.events(),
                walls=walls,
            )
        )
    elif known.weights_hash != request.weights_hash:
        raise Replayed(f"round {request.round} was already charged for other weights; nothing was sent")
    shown = _charge_entry(ledger, request)
    return JoinReply(
        device=payment.key.public.device_id,
        plan_id=request.plan.id,
        round=request.round,
        weights_hash=request.weights_hash,
        index=shown.index,
        head=shown.hash,
    )


def _check_model(plan: Plan) -> None:
    """What a plan that measures releases is not as long as the weights; its own type has checked how long it is."""
    if plan.measures:
        catalogue.parameters(plan.model, plan.trainable)
    else:
        catalogue.check(plan.model, plan.trainable, plan.parameters)


def _check_unfinished(ledger: Ledger, plan_id: str) -> None:
    """A server that joins rounds without finishing them can burn only so much of a budget, and pre-charge only so far."""
    unfinished = sum(
        isinstance(entry.body, Charge)
        and entry.body.plan_id == plan_id
        and ledger.release(plan_id, entry.body.round) is None
        for entry in ledger.entries
    )
    if unfinished >= MOST_UNFINISHED:
        raise PolicyViolation(
            f"{unfinished} rounds of this plan were charged and never finished; at most {MOST_UNFINISHED} may be; "
            "nothing was charged or sent"
        )


def _charge_entry(ledger: Ledger, request: JoinRequest) -> Entry:
    """The entry that holds the charge: the same head is shown however often the round is asked for."""
    asked = (request.plan.id, request.round)
    return next(
        entry
        for entry in reversed(ledger.entries)
        if isinstance(entry.body, Charge) and (entry.body.plan_id, entry.body.round) == asked
    )


def train(
    request: TrainRequest,
    weights: bytes,
    *,
    terms: Terms,
    payment: Payment,
    pool: Callable[[], Pool],
    noise: SystemNoise,
    now: int,
    learn: Learn = local_update,
) -> SealedRelease:
    """Train, or measure, on the pool and bring the result through the door.

    weights: float32 little-endian, 4 * P bytes, the very ones that were charged. learn: see `answer`.
    Raises: Refused, SignatureError, when the request fits no charge and receipt or the plan has expired. The charge stays.
    """
    plan = read_plan(request.plan, terms.operator)
    task = Task(plan=plan, plan_id=request.plan.id, round=request.round)
    charge = payment.ledger.charge(task.plan_id, task.round)
    if charge is None or charge.weights_hash != request.weights_hash or digest(weights) != charge.weights_hash:
        raise Replayed(f"round {task.round} with these weights was never charged; nothing was sent")
    if charge.policy_hash != terms.policy_hash:
        raise PolicyViolation("the round was charged under terms that are no longer in force; nothing was sent")
    if now >= plan.expires_at:
        raise PolicyViolation("the plan has expired; nothing was sent")
    vector = decode_weights(weights, parameters=catalogue.parameters(plan.model, plan.trainable))
    _accept_receipt(request, payment.ledger)
    return answer(task, vector, pool, noise, payment=payment, learn=learn)


def decode_weights(weights: bytes, *, parameters: int) -> FloatVector:
    """The flat weights, shape (parameters,). Raises: PolicyViolation, if the size is wrong or a number is not finite."""
    if len(weights) != 4 * parameters:
        raise PolicyViolation(f"the weights have {len(weights)} bytes, not {4 * parameters}; nothing was sent")
    vector = np.frombuffer(weights, dtype="<f4").astype(np.float32)
    if not np.isfinite(vector).all():
        raise PolicyViolation("the weights hold a number that is not finite; nothing was sent")
    return vector


def _accept_receipt(request: TrainRequest, ledger: Ledger) -> None:
    if ledger.receipt(request.plan.id, request.round) is not None:
        return
    receipt = ledger.check_receipt(request.receipt)
    if (receipt.plan_id, receipt.round) != (request.plan.id, request.round):
        raise Replayed("the receipt is for another round; nothing was sent")
    ledger.append(Receipted(receipt=request.receipt))


@overload
def answer(
    task: Task,
    weights: FloatVector,
    pool: Callable[[], Pool],
    noise: SystemNoise,
    *,
    payment: Payment,
    learn: Learn = local_update,
) -> SealedRelease: ...
@overload
def answer(
    task: Task,
    weights: FloatVector,
    pool: Callable[[], Pool],
    noise: SeededNoise,
    *,
    payment: None = None,
    learn: Learn = local_update,
) -> SimulatedRelease: ...
def answer(
    task: Task,
    weights: FloatVector,
    pool: Callable[[], Pool],
    noise: SystemNoise | SeededNoise,
    *,
    payment: Payment | None = None,
    learn: Learn = local_update,
) -> SealedRelease | SimulatedRelease:
    """Learn from one pool, or measure on it, and release once: sealed on a device that pays, simulated with seeded noise.

    weights: shape (P,), float32. pool: called once, inside the part that can't fail visibly. learn: `local_update`, or
    what remembers features and gives the same bits; a plan that measures doesn't ask it.
    Guarantee: the reply's form and noise do not depend on the pool.
    """
    update = Update(
        plan=task.plan,
        plan_id=task.plan_id,
        round=task.round,
        weights_hash=digest(weights.astype("<f4").tobytes()),
        delta=_learn(task.plan, weights, pool, noise, learn),
    )
    if isinstance(noise, SystemNoise):
        if payment is None:
            raise IntegrityError("a device's release needs a ledger to pay from; nothing was sent")
        return seal(update, payment=payment, noise=noise)
    return simulate(update, noise=noise)


def _learn(
    plan: Plan, weights: FloatVector, pool: Callable[[], Pool], noise: SystemNoise | SeededNoise, learn: Learn
) -> FloatVector:
    """The local update, or what was measured, shape (P,). Whatever goes wrong in reading the pool or training, it is as if the
    pool were empty: the same noisy steps run, so the example-level guarantee holds for that difference too."""

    def update(examples: Pool) -> FloatVector:
        if plan.training is None:
            shares = measure(examples, weights, model=plan.model, trainable=plan.trainable)
            return shares * longest_share(plan.release.clip_norm)
        return learn(examples, weights, model=plan.model, trainable=plan.trainable, training=plan.training, noise=noise)

    try:
        return update(pool().newest(LARGEST_POOL))
    except Exception as failure:  # a visible failure would tell something about the data
        log.warning("local training failed (%s); it counts as an empty pool", type(failure).__name__)
        return update(Pool.empty())
