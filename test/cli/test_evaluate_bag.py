"""``ffstereo evaluate-bag`` as a user runs it: its files and its bag are read back."""

from __future__ import annotations

import csv
import json
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

from ffstereo_ros.cli.main import main

pytest.importorskip("rosbags", reason="needs rosbags: recordings cannot be made without")
from bag_factory import CX_OFFSET, DEPTH, HEIGHT, SHIFT, WIDTH, BagFactory

START, STEP = 1_700_000_000_000_000_000, 50_000_000


def make_bag(path, frames=6, storage="mcap", more=lambda bag, stamp: None):
    with BagFactory(path, storage) as bag:
        for number in range(frames):
            bag.pair(START + number * STEP, seed=number)
            more(bag, START + number * STEP)
    return path


def evaluate(bag, output, *more):
    return main(
        ["evaluate-bag", str(bag), "--output", str(output), "--backend", "sgbm", "--max-disparity", "32", *more]
    )


def read(path):
    """All messages of a bag: topic to a list of (time of recording, message)."""
    from rosbags.highlevel import AnyReader

    found = {}
    with AnyReader([path]) as reader:
        for connection, logged, raw in reader.messages():
            found.setdefault(connection.topic, []).append((logged, reader.deserialize(raw, connection.msgtype)))
    return found


def test_every_frame_is_matched_and_recorded_beside_the_input(tmp_path):
    bag = make_bag(tmp_path / "drive")
    before = sorted((path, path.stat().st_mtime_ns) for path in bag.iterdir())
    assert evaluate(bag, tmp_path / "out") == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["frames"], metrics["left_images"], metrics["complete"]) == (6, 6, True)
    assert metrics["consistency"]["coverage"] > 80
    assert metrics["consistency"]["left_right"] > 90
    assert len(list(csv.DictReader((tmp_path / "out" / "frames.csv").open()))) == 6
    assert sorted((path, path.stat().st_mtime_ns) for path in bag.iterdir()) == before
    assert metrics["result_bag"] == str(tmp_path / "drive_sgbm")
    results = read(tmp_path / "drive_sgbm")
    assert {topic: len(messages) for topic, messages in results.items()} == {
        "/stereo/disparity": 6,
        "/stereo/depth/image_rect": 6,
        "/stereo/depth/camera_info": 6,
    }


def test_filters_are_judged_and_recorded(tmp_path):
    bag = make_bag(tmp_path / "drive", frames=2)
    assert evaluate(bag, tmp_path / "out", "--roi-width", str(WIDTH // 2), "--temporal-weight", "0.5") == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert 30 < metrics["consistency"]["coverage"] <= 50
    for _, message in read(tmp_path / "drive_sgbm")["/stereo/depth/image_rect"]:
        depth = np.frombuffer(message.data, np.float32).reshape(HEIGHT, WIDTH)
        assert np.isnan(depth[:, WIDTH // 2 :]).all()
        assert np.isfinite(depth[:, : WIDTH // 2]).mean() > 0.6


def test_recorded_messages_mean_what_they_say(tmp_path):
    evaluate(make_bag(tmp_path / "drive", 1), tmp_path / "out")
    results = read(tmp_path / "drive_sgbm")
    ((logged, disparity),) = results["/stereo/disparity"]
    assert logged == START
    assert disparity.header.stamp.sec * 10**9 + disparity.header.stamp.nanosec == START
    values = disparity.image.data.view("<f4").reshape(HEIGHT, WIDTH)
    known = values >= disparity.min_disparity
    assert known.mean() > 0.8
    assert np.median(values[known]) == pytest.approx(SHIFT + CX_OFFSET, abs=0.1)
    ((_, depth),) = results["/stereo/depth/image_rect"]
    metres = depth.data.view("<f4").reshape(HEIGHT, WIDTH)
    assert np.array_equal(np.isfinite(metres), known)
    np.testing.assert_allclose(metres[known], disparity.f * disparity.t / values[known], rtol=1e-6)
    assert np.nanmedian(metres) == pytest.approx(DEPTH, rel=0.02)
    ((_, info),) = results["/stereo/depth/camera_info"]
    assert (info.width, info.height, info.p[0]) == (WIDTH, HEIGHT, 80)
    assert depth.header.frame_id == info.header.frame_id == "left_optical"


def test_a_second_run_overwrites_no_bag(tmp_path):
    bag = make_bag(tmp_path / "drive", 2)
    evaluate(bag, tmp_path / "out")
    evaluate(bag, tmp_path / "out_2")
    assert (tmp_path / "drive_sgbm").is_dir()
    assert (tmp_path / "drive_sgbm_2").is_dir()


def test_results_of_one_file_of_a_bag_go_beside_its_folder(tmp_path):
    bag = make_bag(tmp_path / "drive", 2)
    (file,) = bag.glob("*.mcap")
    evaluate(file, tmp_path / "out")
    assert (tmp_path / "drive_sgbm").is_dir()
    assert len(list(bag.iterdir())) == 2


def test_an_archive_is_not_written_into(tmp_path):
    bag = make_bag(tmp_path / "archive" / "drive", 2)
    bag.parent.chmod(0o555)
    try:
        evaluate(bag, tmp_path / "out")
    finally:
        bag.parent.chmod(0o755)
    assert [path.name for path in bag.parent.iterdir()] == ["drive"]
    assert (tmp_path / "out" / "drive_sgbm").is_dir()


def test_against_a_depth_topic(tmp_path):
    bag = make_bag(tmp_path / "drive", more=lambda bag, stamp: bag.depth(stamp))
    truth = "/stereo/depth/image_rect"
    assert evaluate(bag, tmp_path / "out", "--result-bag", "none", "--truth", truth) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["truth"] == truth
    assert metrics["truth_frames"] == 6
    assert metrics["truth_pixels"] == 6 * (HEIGHT - 1) * WIDTH
    assert metrics["answered"]["bad2"] == 0
    assert metrics["depth"]["abs_rel"] < 1
    assert "Against the truth" in (tmp_path / "out" / "report.html").read_text()
    assert not (tmp_path / "drive_sgbm").exists()


def test_a_wrong_truth_shows(tmp_path):
    bag = make_bag(tmp_path / "drive", more=lambda bag, stamp: bag.disparity(stamp, SHIFT + 10))
    evaluate(bag, tmp_path / "out", "--result-bag", "none")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["answered"]["bad2"] == 100


def test_ros1_gives_a_ros2_result_bag(tmp_path):
    bag = make_bag(tmp_path / "drive.bag", 3, "ros1")
    assert evaluate(bag, tmp_path / "out") == 0
    assert len(read(tmp_path / "drive_sgbm")["/stereo/depth/camera_info"]) == 3


def test_ctrl_c_leaves_a_partial_report_and_a_bag_that_can_be_read(tmp_path):
    bag = make_bag(tmp_path / "drive", 1500)
    command = [
        sys.executable,
        "-m",
        "ffstereo_ros.cli.main",
        "evaluate-bag",
        str(bag),
        "--output",
        str(tmp_path / "out"),
    ]
    process = subprocess.Popen(
        [*command, "--backend", "sgbm", "--left-right-every", "1"], stdout=subprocess.PIPE, text=True
    )
    while "frame 100" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output = process.stdout.read()
    assert process.wait(timeout=60) == 130
    assert "Traceback" not in output
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["complete"] is False
    assert 100 <= metrics["frames"] < 1500
    assert "Partial report: interrupted after" in (tmp_path / "out" / "report.html").read_text()
    recorded = read(tmp_path / "drive_sgbm")["/stereo/disparity"]
    assert abs(len(recorded) - metrics["frames"]) <= 1


def test_memory_stays_flat(tmp_path):
    """Ten times the frames need no more memory."""

    def peak(frames):
        bag = make_bag(tmp_path / f"drive{frames}", frames)
        code = (
            "import resource, sys; from ffstereo_ros.cli.main import main; "
            f"main(['evaluate-bag', {str(bag)!r}, '--output', {str(tmp_path / 'out')!r}, '--backend', 'sgbm', "
            "'--max-disparity', '32', '--result-bag', 'none']); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return int(done.stdout.split()[-1]) / 1024

    assert resource.RUSAGE_SELF == 0
    short, long = peak(60), peak(600)
    assert long - short < 20  # MiB; 0.7 seen. One decoded frame is 0.06 MiB: a list of 540 would add 30


def test_refusals_are_one_line(tmp_path, capsys):
    assert evaluate(tmp_path / "nothing", tmp_path / "out") == 1
    assert "cannot be read as a bag" in capsys.readouterr().err
    bag = make_bag(tmp_path / "drive", 1)
    assert evaluate(bag, tmp_path / "out", "--truth", "/nowhere") == 1
    assert "no such topic" in capsys.readouterr().err
    assert evaluate(bag, tmp_path / "out", "--sync-tolerance", "-1") == 1
    assert "at least 0" in capsys.readouterr().err


def test_the_euroc_recording(shared, tmp_path):
    bag = shared / "bags" / "euroc_v101_rect_mcap"
    code = evaluate(bag, tmp_path, "--limit", "8", "--result-bag", str(tmp_path / "results"), "--left-right-every", "4")
    assert code == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["frames"] == 8
    # SGBM, 32 px searched: 79 % and 90 % seen; the nearest floor needs more than 32 px.
    assert 60 < metrics["consistency"]["coverage"] < 95
    assert metrics["consistency"]["left_right"] > 70
    assert metrics["consistency"]["flicker_px"] < 0.3
    assert len(read(tmp_path / "results")["/stereo/disparity"]) == 8


def test_stamps_that_never_meet_give_no_frame_and_no_bag(tmp_path, capsys):
    with BagFactory(tmp_path / "drive") as bag:
        for number in range(10):
            bag.pair(START + number * STEP, right_stamp=START + number * STEP + 3_000_000)
    assert evaluate(tmp_path / "drive", tmp_path / "out") == 1
    assert (
        "10 left and 10 right images have no partner of the same stamp; try --sync-tolerance" in capsys.readouterr().out
    )
    assert not (tmp_path / "drive_sgbm").exists()
    assert evaluate(tmp_path / "drive", tmp_path / "out", "--force", "--sync-tolerance", "0.005") == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["frames"] == 10


def test_without_calibration_disparity_is_judged_and_nothing_recorded(tmp_path):
    with BagFactory(tmp_path / "drive") as bag:
        for number in range(3):
            bag.pair(START + number * STEP, with_info=False)
    assert evaluate(tmp_path / "drive", tmp_path / "out") == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["frames"] == 3
    assert metrics["result_bag"] == ""
    assert any("no CameraInfo" in note for note in metrics["notes"])
    assert not (tmp_path / "drive_sgbm").exists()
