"""The workload through BlazeFL 3, in one process: its FedAvg classes, with clipping and the workload's noise in the update."""

import sys
from pathlib import Path

import numpy as np
import torch
from blazefl.contrib.fedavg import FedAvgBaseClientTrainer, FedAvgBaseServerHandler, FedAvgUplinkPackage
from blazefl.core import deserialize_model, serialize_model
from torch.utils.data import DataLoader, TensorDataset

sys.path.insert(0, str(Path(__file__).parents[1]))
import workload


class Models:
    def __init__(self, task):
        self._task = task

    def select_model(self, model_name):
        return self._task.model()


class Clients:
    """rounds: the server's, which begin with 0."""

    def __init__(self, task):
        self._task, self.number = task, 0

    def get_dataloader(self, type_, cid, batch_size, generator=None):
        return DataLoader(TensorDataset(*self._task.data(self.number, cid)), batch_size=batch_size)


class Trainer(FedAvgBaseClientTrainer):
    """Its own, but for which optimiser and loss, and for as many tensors as a task has."""

    def __init__(self, task, **settings):
        super().__init__(**settings)
        self._task = task

    def train(self, model_parameters, train_loader, cid):
        deserialize_model(self.model, model_parameters)
        self.model.train()
        optimizer = self._task.optimiser(self.model, self.model.parameters(), lr=self.lr)
        for _ in range(self.epochs):
            for batch in train_loader:
                loss = self._task.local_loss(self.model, *(one.to(self.device) for one in batch))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return FedAvgUplinkPackage(cid, serialize_model(self.model), len(train_loader.dataset))


class Server(FedAvgBaseServerHandler):
    def __init__(self, task, clients, **settings):
        super().__init__(**settings)
        self._parameters, self._clients = task.parameters(self.model), clients

    def sample_clients(self):
        self._clients.number = self.round
        return workload.cohort(self.round, clients=self.num_clients, size=self.num_clients_per_round)

    def global_update(self, buffer):
        before = serialize_model(self.model)
        total = torch.zeros_like(before)
        for package in buffer:
            moved = package.model_parameters - before
            total.add_(moved, alpha=workload.factor(float(moved.norm())))
        deserialize_model(self.model, before + (total + self._noise()) / len(buffer))

    def _noise(self):
        """The workload's numbers where the parameters are; BlazeFL sends buffers too."""
        sizes = [parameter.numel() for _, parameter in self._parameters]
        parts = torch.split(torch.from_numpy(workload.noise(self.round, sum(sizes))), sizes)
        noise = {name: part for (name, _), part in zip(self._parameters, parts, strict=True)}
        return torch.cat([noise.get(name, torch.zeros(one.numel())) for name, one in self.model.state_dict().items()])


def main():
    asked = workload.asked()
    task = workload.torch_side(asked.task)
    data = Clients(task)
    common = {
        "model_selector": Models(task),
        "model_name": asked.task,
        "dataset": data,
        "device": "cpu",
        "num_clients": asked.clients,
        "batch_size": task.BATCH,
        "seed": workload.SEED,
    }
    server = Server(task, data, global_round=asked.rounds, sample_ratio=asked.cohort / asked.clients, **common)
    trainer = Trainer(task, epochs=1, lr=task.LEARNING_RATE, **common)
    told = workload.Told()
    while not server.is_stopped():
        clients, payload = server.sample_clients(), server.downlink_package()
        trainer.local_process(payload, clients)
        for package in trainer.uplink_package():
            server.load(package)
        told.round()
    last = [one.detach().flatten().numpy() for _, one in task.parameters(server.model)]
    told.end(np.concatenate(last), asked.weights)


if __name__ == "__main__":
    main()
