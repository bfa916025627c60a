"""The workload through pfl (pfl-research) 0.6, with its own classes for everything but the noise's numbers."""

import sys
from functools import partial
from itertools import chain, count
from pathlib import Path

import numpy as np
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.hyperparam.base import NNEvalHyperParams, NNTrainHyperParams
from pfl.metrics import Metrics
from pfl.model.pytorch import PyTorchModel
from pfl.postprocessor.base import Postprocessor
from pfl.privacy.privacy_mechanism import NormClippingOnly

sys.path.insert(0, str(Path(__file__).parents[1]))
import workload


def with_loss(task):
    """pfl asks the module itself for its loss and metrics."""
    network = task.model()

    class Network(type(network)):
        def loss(self, *batch, eval=False):  # noqa: A002  # pfl's word
            return task.local_loss(self, *batch)

        def metrics(self, *batch, eval=False):  # noqa: A002  # pfl's word
            return {}

    network.__class__ = Network
    return network


class Noise(Postprocessor):
    """The workload's numbers, where pfl would draw its own."""

    def __init__(self, parameters):
        self._parameters, self._number = parameters, 0

    def postprocess_one_user(self, *, stats, user_context):
        return stats, Metrics()

    def postprocess_server(self, *, stats, central_context, aggregate_metrics):
        sizes = [parameter.numel() for _, parameter in self._parameters]
        noise = torch.split(torch.from_numpy(workload.noise(self._number, sum(sizes))), sizes)
        self._number += 1
        for (name, _), part in zip(self._parameters, noise, strict=True):
            stats[name] = stats[name] + part.view_as(stats[name])
        return stats, Metrics()


class Rounds(TrainingProcessCallback):
    def __init__(self, told):
        self._told = told

    def after_central_iteration(self, aggregate_metrics, model, *, central_iteration):
        self._told.round()
        return False, Metrics()


def main():
    asked = workload.asked()
    task = workload.torch_side(asked.task)
    network = with_loss(task)
    parameters = task.parameters(network)
    model = PyTorchModel(
        network,
        local_optimizer_create=partial(task.optimiser, network),
        central_optimizer=torch.optim.SGD(network.parameters(), lr=1.0),
    )
    cohorts = (
        [(number, one) for one in workload.cohort(number, clients=asked.clients, size=asked.cohort)]
        for number in count()
    )
    people = chain.from_iterable(cohorts)
    training = FederatedDataset(
        lambda one: Dataset(raw_data=task.data(*one), user_id=str(one[1])), lambda: next(people)
    )
    backend = SimulatedBackend(
        training_data=training,
        val_data=training,
        postprocessors=[NormClippingOnly(2.0, workload.CLIP_NORM), Noise(parameters)],
    )
    told = workload.Told()
    FederatedAveraging().run(
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=asked.rounds,
            evaluation_frequency=asked.rounds + 1,
            train_cohort_size=asked.cohort,
            val_cohort_size=0,
        ),
        backend=backend,
        model=model,
        model_train_params=NNTrainHyperParams(
            local_num_epochs=1, local_learning_rate=task.LEARNING_RATE, local_batch_size=task.BATCH
        ),
        model_eval_params=NNEvalHyperParams(local_batch_size=task.BATCH),
        callbacks=[Rounds(told)],
    )
    told.end(np.concatenate([one.detach().flatten().numpy() for _, one in parameters]), asked.weights)


if __name__ == "__main__":
    main()
