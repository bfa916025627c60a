"""The workload through pfl (pfl-research) 0.6, with its own classes for everything but the noise's numbers."""

import sys
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
import cnn
import workload


class Cnn(cnn.Cnn):
    def loss(self, images, labels, eval=False):  # noqa: A002  # pfl's word
        return cnn.local_loss(self, images, labels)

    def metrics(self, images, labels, eval=False):  # noqa: A002  # pfl's word
        return {}


class Noise(Postprocessor):
    """The workload's numbers, where pfl would draw its own."""

    def __init__(self, names):
        self._names, self._number = names, 0

    def postprocess_one_user(self, *, stats, user_context):
        return stats, Metrics()

    def postprocess_server(self, *, stats, central_context, aggregate_metrics):
        noise, at = torch.from_numpy(workload.noise(self._number)), 0
        self._number += 1
        for name in self._names:
            size = stats[name].numel()
            stats[name] = stats[name] + noise[at : at + size].view_as(stats[name])
            at += size
        return stats, Metrics()


class Rounds(TrainingProcessCallback):
    def __init__(self, told):
        self._told = told

    def after_central_iteration(self, aggregate_metrics, model, *, central_iteration):
        self._told.round()
        return False, Metrics()


def main():
    asked = workload.asked()
    start, _ = cnn.start()
    network = Cnn()
    network.load_state_dict(start.state_dict())
    model = PyTorchModel(
        network,
        local_optimizer_create=torch.optim.SGD,
        central_optimizer=torch.optim.SGD(network.parameters(), lr=1.0),
    )
    cohorts = (workload.cohort(number, clients=asked.clients, size=asked.cohort) for number in count())
    people = chain.from_iterable(cohorts)
    training = FederatedDataset(
        lambda person: Dataset(raw_data=list(cnn.data(person)), user_id=str(person)), lambda: next(people)
    )
    names = [name for name, _ in network.named_parameters()]
    backend = SimulatedBackend(
        training_data=training,
        val_data=training,
        postprocessors=[NormClippingOnly(2.0, workload.CLIP_NORM), Noise(names)],
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
            local_num_epochs=1, local_learning_rate=workload.LEARNING_RATE, local_batch_size=workload.BATCH
        ),
        model_eval_params=NNEvalHyperParams(local_batch_size=workload.EXAMPLES),
        callbacks=[Rounds(told)],
    )
    told.end(np.concatenate([one.detach().flatten().numpy() for one in network.parameters()]), asked.weights)


if __name__ == "__main__":
    main()
