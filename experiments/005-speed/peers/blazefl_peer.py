"""The workload through BlazeFL 3, in one process: its FedAvg classes, with clipping and the workload's noise in the update."""

import sys
from pathlib import Path

import numpy as np
import torch
from blazefl.contrib.fedavg import FedAvgBaseClientTrainer, FedAvgBaseServerHandler
from torch.utils.data import DataLoader, TensorDataset

sys.path.insert(0, str(Path(__file__).parents[1]))
import cnn
import workload


class Models:
    def select_model(self, model_name):
        return cnn.start()[0]


class Clients:
    def get_dataloader(self, type_, cid, batch_size, generator=None):
        return DataLoader(TensorDataset(*cnn.data(cid)), batch_size=batch_size)


class Server(FedAvgBaseServerHandler):
    def sample_clients(self):
        return workload.cohort(self.round, clients=self.num_clients, size=self.num_clients_per_round)

    def global_update(self, buffer):
        before = torch.cat([parameter.detach().flatten() for parameter in self.model.parameters()])
        total = torch.from_numpy(workload.noise(self.round))
        for package in buffer:
            moved = package.model_parameters - before
            total.add_(moved, alpha=workload.factor(float(moved.norm())))
        torch.nn.utils.vector_to_parameters(before + total / len(buffer), self.model.parameters())


def main():
    asked = workload.asked()
    cnn.start()
    data = Clients()
    common = {
        "model_selector": Models(),
        "model_name": "cnn",
        "dataset": data,
        "device": "cpu",
        "num_clients": asked.clients,
        "batch_size": workload.BATCH,
        "seed": workload.SEED,
    }
    server = Server(global_round=asked.rounds, sample_ratio=asked.cohort / asked.clients, **common)
    trainer = FedAvgBaseClientTrainer(epochs=1, lr=workload.LEARNING_RATE, **common)
    told = workload.Told()
    while not server.is_stopped():
        clients, payload = server.sample_clients(), server.downlink_package()
        trainer.local_process(payload, clients)
        for package in trainer.uplink_package():
            server.load(package)
        told.round()
    told.end(np.concatenate([one.detach().flatten().numpy() for one in server.model.parameters()]), asked.weights)


if __name__ == "__main__":
    main()
