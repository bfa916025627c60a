"""The workload through Flower 1.41's own simulation, which is made of Ray."""

import logging
import os
import sys
from pathlib import Path

os.environ |= {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "RAY_USAGE_STATS_ENABLED": "0"}

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

sys.path.insert(0, str(Path(__file__).parents[1]))
import cnn
import workload

client_app, server_app = ClientApp(), ServerApp()
_models = []  # one a process, as Flower's examples make one a message: kept, which is kinder


@client_app.train()
def train(message, context):
    if not _models:
        _models.append(cnn.model())
    model = _models[0]
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    optimiser = torch.optim.SGD(model.parameters(), lr=cnn.LEARNING_RATE)
    for batch in cnn.batches(*cnn.data(*message.content["config"]["asked"])):
        optimiser.zero_grad()
        cnn.local_loss(model, *batch).backward()
        optimiser.step()
    return Message(RecordDict({"arrays": ArrayRecord(model.state_dict())}), reply_to=message)


class Strategy(FedAvg):
    """FedAvg whose sum is clipped and noised by the workload's numbers."""

    def __init__(self, asked, model, told):
        super().__init__(fraction_train=1.0, fraction_evaluate=0.0, min_available_nodes=asked.clients)
        self._asked, self._told, self._model = asked, told, model

    def configure_train(self, server_round, arrays, config, grid):
        self._before = arrays.to_torch_state_dict()
        while len(nodes := list(grid.get_node_ids())) < self._asked.clients:
            pass
        clients = workload.cohort(server_round - 1, clients=self._asked.clients, size=self._asked.cohort)
        return [
            Message(
                RecordDict({"arrays": arrays, "config": ConfigRecord({"asked": [server_round - 1, client]})}),
                dst_node_id=node,
                message_type=MessageType.TRAIN,
            )
            for client, node in zip(clients, nodes, strict=False)
        ]

    def aggregate_train(self, server_round, replies):
        names = [name for name, _ in self._model.named_parameters()]
        before = torch.cat([self._before[name].flatten() for name in names])
        total, received = torch.from_numpy(workload.noise(server_round - 1, len(before))), 0
        for reply in replies:
            state = reply.content["arrays"].to_torch_state_dict()
            moved = torch.cat([state[name].flatten() for name in names]) - before
            total.add_(moved, alpha=workload.factor(float(moved.norm())))
            received += 1
        if received != self._asked.cohort:
            raise RuntimeError(f"{received} replies came")
        torch.nn.utils.vector_to_parameters(before + total / received, self._model.parameters())
        self._told.round()
        return ArrayRecord(self._model.state_dict()), None


@server_app.main()
def main(grid, context):
    asked = workload.asked()
    model = cnn.model()
    told = workload.Told()
    Strategy(asked, model, told).start(
        grid=grid, initial_arrays=ArrayRecord(model.state_dict()), num_rounds=asked.rounds
    )
    told.end(np.concatenate([one.detach().flatten().numpy() for one in model.parameters()]), asked.weights)


if __name__ == "__main__":
    logging.getLogger("flwr").setLevel(logging.ERROR)
    asked = workload.asked()
    run_simulation(
        server_app,
        client_app,
        num_supernodes=asked.clients,
        backend_config={
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
            "init_args": {"num_cpus": asked.workers, "include_dashboard": False},
        },
    )
