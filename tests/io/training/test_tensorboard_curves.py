import pickle

from pipeline.io.training.tensorboard_curves import TensorBoardCurves


def test_event_files_hold_every_point_and_a_restart_adds_one(tmp_path):
    from tensorboardX.proto.event_pb2 import Event

    for step in (10, 20):
        curves = pickle.loads(pickle.dumps(TensorBoardCurves(tmp_path / f"finetune-{step}")))
        curves.log("finetune", step, {"loss": 1.0 / step})
        curves.close()

    points = []
    for path in sorted(tmp_path.rglob("events.out.tfevents.*")):
        content = path.read_bytes()
        at = 0
        while at < len(content):
            size = int.from_bytes(content[at : at + 8], "little")
            event = Event.FromString(content[at + 12 : at + 12 + size])
            points += [(event.step, value.tag, round(value.simple_value, 3)) for value in event.summary.value]
            at += 16 + size
    assert points == [(10, "finetune/loss", 0.1), (20, "finetune/loss", 0.05)]
