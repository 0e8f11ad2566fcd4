import hashlib
import json
import signal
import subprocess
import sys
import traceback

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_unet_nuclei import segment
from napari_unet_nuclei.core.segment import run as engine_module
from tests.helpers.channel_files import write_metaxpress
from tests.helpers.program import run, small_image, write_image
from tests.helpers.samples import fluorescent_nuclei


def test_a_file_gets_labels_a_table_and_a_record(tmp_path):
    image = write_image(tmp_path / "a.png")
    out = tmp_path / "results"
    shown = run("segment", image, "--out", out)
    assert shown.exit_code == 0, shown.output
    labels = tifffile.imread(out / "a_labels.tif")
    table = pd.read_csv(out / "a_table.csv")
    summary = pd.read_csv(out / "summary.csv")
    count = int(labels.max())
    assert count > 0
    assert table.label.tolist() == list(range(1, count + 1))
    assert summary.nuclei.tolist() == [count]
    assert f"{count} nuclei" in shown.stdout
    described = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert described["files"][0]["nuclei"] == count
    assert described["settings"]["diameter_auto"] is True
    assert described["files"][0]["image_hash"] == hashlib.sha256(image.read_bytes()).hexdigest()
    assert described["models"] == {summary.model[0]: described["files"][0]["model_hash"]}
    assert summary.precision.tolist() == [described["files"][0]["precision"]]


def test_few_frames_lie_between_the_command_and_the_engine(tmp_path, monkeypatch):
    stacks = []

    def engine(request, progress):
        stacks.append([frame.name for frame in traceback.extract_stack() if "napari_unet_nuclei" in frame.filename])
        return run_segment(request, progress)

    run_segment = engine_module.run_segment
    monkeypatch.setattr(engine_module, "run_segment", engine)
    image = write_image(tmp_path / "a.png")
    shown = run("segment", image, "--out", tmp_path / "out", "--diameter", 24)
    assert shown.exit_code == 0, shown.output
    [stack] = stacks
    frames = stack[stack.index("segment_command") :]
    assert len(frames) + 1 <= 6, frames  # and the engine's own


def test_labels_are_those_of_python(tmp_path):
    image = write_image(tmp_path / "a.png")
    options = ("--diameter", 20, "--foreground", 0.4, "--min-size", 5)
    assert run("segment", image, "--out", tmp_path, *options).exit_code == 0
    same = segment(small_image(), axes="YX", diameter=20.0, foreground=0.4, min_size=5).labels
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a_labels.tif"), same)


def test_plane_and_region_choose_a_part(tmp_path):
    stack = np.stack([small_image(seed) for seed in range(3)])
    file = tmp_path / "stack.tif"
    tifffile.imwrite(file, stack, imagej=True, metadata={"axes": "ZYX"})
    out = tmp_path / "results"
    shown = run("segment", file, "--out", out, "--plane", "1", "--region", "0:64,16:96", "--diameter", 24)
    assert shown.exit_code == 0, shown.output
    labels = tifffile.imread(out / "stack_labels.tif").reshape(64, 80)
    same = segment(stack[1], axes="YX", region=(0, 64, 16, 96), diameter=24.0).labels
    np.testing.assert_array_equal(labels, same)
    assert set(pd.read_csv(out / "stack_table.csv").z) == {1}


def test_a_broken_file_is_listed_and_the_others_done(tmp_path):
    folder = tmp_path / "images"
    write_image(folder / "a.png")
    write_image(folder / "c.png")
    (folder / "b.png").write_bytes(b"no image")
    out = tmp_path / "results"
    shown = run("segment", folder, tmp_path / "missing.tif", "--out", out)
    assert shown.exit_code == 1
    assert "2 of 4 failed" in shown.stderr
    assert "b.png" in shown.stderr
    assert "missing.tif does not exist" in shown.stderr
    assert sorted(path.name for path in out.glob("*_labels.tif")) == ["a_labels.tif", "c_labels.tif"]
    summary = pd.read_csv(out / "summary.csv").set_index("image")
    assert "cannot be read" in summary.message[str(folder / "b.png")]
    assert summary.status.to_dict() == {
        str(tmp_path / "missing.tif"): "failed",
        str(folder / "a.png"): "done",
        str(folder / "b.png"): "failed",
        str(folder / "c.png"): "done",
    }
    assert np.isnan(summary.nuclei[str(folder / "b.png")])


def test_files_of_one_name_in_two_folders_stay_apart(tmp_path):
    for seed, name in enumerate(("one", "two")):
        write_image(tmp_path / name / "a.png", seed)
    out = tmp_path / "results"
    assert run("segment", tmp_path / "one", tmp_path / "two", "--out", out, "--diameter", 24).exit_code == 0
    first, second = (tifffile.imread(out / name / "a_labels.tif") for name in ("one", "two"))
    assert not np.array_equal(first, second)


def test_json_is_all_there_is_on_stdout(tmp_path):
    shown = run("segment", write_image(tmp_path / "a.png"), "--out", tmp_path / "results", "--json")
    assert json.loads(shown.stdout)["files"][0]["error"] == ""


def test_quiet_says_nothing(tmp_path):
    assert run("segment", write_image(tmp_path / "a.png"), "--out", tmp_path / "results", "--quiet").output == ""


def test_a_second_run_skips_what_is_done_and_takes_no_result_for_an_image(tmp_path):
    write_image(tmp_path / "a.png")
    assert run("segment", tmp_path, "--out", tmp_path, "--overlay").exit_code == 0
    written = (tmp_path / "a_labels.tif").read_bytes()
    shown = run("segment", tmp_path, "--out", tmp_path, "--overlay")
    assert shown.exit_code == 0, shown.output
    assert "2 results of an earlier run are left out" in shown.stderr
    assert "done before" in shown.stdout
    assert pd.read_csv(tmp_path / "summary.csv").status.tolist() == ["skipped"]
    assert (tmp_path / "a_labels.tif").read_bytes() == written


def test_a_list_of_files_is_read_from_a_file(tmp_path):
    images = [write_image(tmp_path / "in" / f"{name}.png") for name in "abc"]
    (tmp_path / "list.txt").write_text(f"\ufeff{images[0]}\n\n{images[2]}\n", encoding="utf-8")
    shown = run("segment", "--list", tmp_path / "list.txt", "--out", tmp_path / "out", "--dry-run", "--json")
    assert [prospect["image"] for prospect in json.loads(shown.stdout)] == [str(images[0]), str(images[2])]


def test_without_any_path_the_usage_is_wrong(tmp_path):
    assert run("segment", "--out", tmp_path).exit_code == 2
    assert run("segment", "--out", tmp_path, "--list", tmp_path / "gone.txt").exit_code == 2
    (tmp_path / "list.txt").write_text("# nothing\n")
    assert "lists no image" in run("segment", "--out", tmp_path, "--list", tmp_path / "list.txt").stderr


def test_a_dry_run_lists_how_images_are_read_and_writes_nothing(tmp_path):
    folder = tmp_path / "in"
    write_image(folder / "b.png")
    stack = np.stack([small_image(seed) for seed in range(3)])
    tifffile.imwrite(
        folder / "stack.tif", stack, imagej=True, resolution=(2, 2), metadata={"axes": "ZYX", "unit": "um"}
    )
    (folder / "notes.tif").write_text("no image")
    out = tmp_path / "out"
    shown = run("segment", folder, "--out", out, "--dry-run")
    assert shown.exit_code == 1
    assert f"{folder / 'stack.tif'}: 3 planes · 0.5 µm · 96 × 96 px, uint16, 0.1 MB: segment" in shown.stdout
    assert "2 to segment, 0 done before" in shown.stdout
    assert "1 of 3 would fail" in shown.stderr
    assert "notes.tif" in shown.stderr
    assert not out.exists()


def test_how_images_are_understood_is_said_once_for_all_that_are_alike(tmp_path):
    folder, dyes = tmp_path / "in", np.stack([small_image(0), small_image(1)])
    for name, side in (("a", 96), ("b", 90)):
        metadata = {"axes": "CYX", "Channel": {"Name": ["GFP", "DAPI"]}, "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
        folder.mkdir(exist_ok=True)
        tifffile.imwrite(folder / f"{name}.ome.tif", dyes[:, :side], metadata=metadata)
    shown = run("segment", folder, "--out", tmp_path / "out", "--diameter", 24)
    assert shown.exit_code == 0, shown.output
    assert shown.stderr.count("2 channels: GFP, DAPI · 0.5 µm · ") == 1
    assert "× 96 px; nuclei read from DAPI" in shown.stderr
    read = pd.read_csv(tmp_path / "out" / "summary.csv")["read_as"].tolist()
    assert read == [f"2 channels: GFP, DAPI · 0.5 µm · {side} × 96 px" for side in (96, 90)]
    assert "channels" not in run("segment", folder, "--out", tmp_path / "out", "--diameter", 24, "--quiet").stderr
    assert "nuclei read from DAPI, uint16" in run("segment", folder, "--out", tmp_path / "dry", "--dry-run").stdout


def test_positions_of_a_file_are_all_done_or_one_by_number_or_name(tmp_path):
    file, first, second = tmp_path / "two.ome.tif", small_image(0), np.ascontiguousarray(small_image(1)[:64])
    with tifffile.TiffWriter(file, ome=True) as writer:
        for name, image in {"left": first, "right side": second}.items():
            writer.write(image, metadata={"axes": "YX", "Name": name})
    shown = run("segment", file, "--out", tmp_path, "--dry-run").stdout
    assert f"{file} [left]: pixel size unknown · 96 × 96 px" in shown
    assert f"{file} [right side]: pixel size unknown · 64 × 96 px" in shown
    assert "beside 0 'left' (96 × 96)" in run("segment", file, "--out", tmp_path, "--series", 1, "--dry-run").stdout
    assert run("segment", file, "--out", tmp_path, "--series", "Right side", "--diameter", 24).exit_code == 0
    same = segment(second, axes="YX", diameter=24.0).labels
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "two_right_side_labels.tif"), same)
    summary = pd.read_csv(tmp_path / "summary.csv")
    assert summary.series.tolist() == ["right side"]
    assert "Not segmented, of the same file: 0 'left' (96 × 96)" in summary.message[0]
    assert run("segment", file, "--out", tmp_path, "--diameter", 24).exit_code == 0
    assert pd.read_csv(tmp_path / "summary.csv").status.tolist() == ["done", "skipped"]
    assert pd.read_csv(tmp_path / "nuclei.csv").series.unique().tolist() == ["left", "right side"]


def test_a_series_of_a_single_image_is_refused_by_file(tmp_path):
    image = write_image(tmp_path / "a.png")
    failed = run("segment", image, "--out", tmp_path / "out", "--series", "0")
    assert failed.exit_code == 1
    assert "a single image, so a choice of series ('0') has no effect" in failed.stderr
    assert run("segment", image, "--out", tmp_path / "out", "--series", "all", "--dry-run").exit_code == 0


def test_settings_of_a_run_repeat_it(tmp_path):
    image = write_image(tmp_path / "a.png")
    assert run("segment", image, "--out", tmp_path / "one", "--diameter", 20, "--foreground", 0.3).exit_code == 0
    again = run("segment", image, "--out", tmp_path / "two", "--settings", tmp_path / "one" / "run.json")
    assert again.exit_code == 0, again.output
    one, two = (tifffile.imread(tmp_path / name / "a_labels.tif") for name in ("one", "two"))
    np.testing.assert_array_equal(one, two)


def test_everything_that_can_be_written_is_written(tmp_path):
    image = write_image(tmp_path / "a.png")
    shown = run(
        "segment",
        image,
        "--out",
        tmp_path / "out",
        "--labels",
        "ome.tif",
        "--rois",
        "--geojson",
        "--overlay",
        "--no-table",
    )
    assert shown.exit_code == 0, shown.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".nuclei",
        "a_labels.ome.tif",
        "a_nuclei.geojson",
        "a_overlay.png",
        "a_rois.zip",
        "nuclei.csv",
        "report.html",
        "run.json",
        "summary.csv",
    ]


def test_a_folder_without_images_is_an_error_of_one_line(tmp_path):
    shown = run("segment", tmp_path, "--out", tmp_path / "results")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("Error: No image found")
    assert not (tmp_path / "results").exists()


def test_an_unknown_model_is_named_with_those_there_are(tmp_path):
    out = tmp_path / "results"
    shown = run("segment", write_image(tmp_path / "a.png"), "--out", out, "--model", "no-such-model")
    assert shown.exit_code == 1
    assert "no-such-model" in shown.stderr
    assert not out.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_keeps_what_is_done_and_leaves_nothing_half_written(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a", "b"):
        pixels = fluorescent_nuclei(0, (1200, 1200), 24.0, 200).image
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", pixels)
    out = tmp_path / "results"
    command = [sys.executable, "-m", "napari_unet_nuclei", "segment", str(tmp_path / "images"), "--out", str(out)]
    with subprocess.Popen(
        [*command, "--tile", "128"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        # Which of them has its turn first is open: both are read at once.
        done = "a" if "a.tif" in program.stdout.readline() else "b"
        program.send_signal(signal.SIGINT)
        _, messages = program.communicate(timeout=60)
    assert program.returncode == 130, messages
    assert messages.endswith("Cancelled.\n")
    assert "Run the same command again to resume." in messages
    assert sorted(path.name for path in out.iterdir()) == [".nuclei", f"{done}_labels.tif", f"{done}_table.csv"]
    assert not [path for path in out.rglob("*") if ".part" in path.name]


@pytest.mark.parametrize(("former", "instead"), [("--seed", "split"), ("--certainty", "score")])
def test_former_options_are_refused_with_what_to_use_now(tmp_path, former, instead):
    image = write_image(tmp_path / "a.png")
    shown = run("segment", image, "--out", tmp_path / "out", former, "0.3")
    assert shown.exit_code == 1
    assert f"set '{instead}'" in shown.stderr
    assert former not in run("segment", "--help").stdout


def test_time_series_are_followed_on_request_and_settings_of_tracks_need_that(tmp_path):
    movie = np.stack([small_image()] * 2)
    tifffile.imwrite(tmp_path / "movie.tif", movie, imagej=True, metadata={"axes": "TYX"})
    options = ("--out", tmp_path / "out", "--diameter", 24)
    refused = run("segment", tmp_path / "movie.tif", *options, "--bridge", 1)
    assert (refused.exit_code, "--follow" in refused.stderr) == (2, True)
    shown = run("segment", tmp_path / "movie.tif", *options, "--follow", "--bridge", 1)
    assert shown.exit_code == 0, shown.output
    assert "tracks and 0 divisions" in shown.stdout
    first, second = tifffile.imread(tmp_path / "out" / "movie_tracked.tif")
    assert np.array_equal(first, second)


def test_channels_in_separate_files_are_shown_as_a_table_before_they_are_joined(tmp_path):
    write_metaxpress(tmp_path / "in")
    asked = ("segment", tmp_path / "in", "--out", tmp_path / "out", "--channel", "w1")
    shown = run(*asked, "--dry-run")
    assert shown.exit_code == 0, shown.output
    head, first, *_ = [line for line in shown.stdout.splitlines() if not line.startswith(("Names", "4 ", "Or "))]
    assert head.split() == ["image", "plate", "well", "field", "parts", "files"]
    assert first.split()[:4] == ["exp1_B02_s1", "exp1", "B02", "1"]
    assert "w1, w2" in first
    assert "4 files are 2 images of 2 channels (w1, w2)" in shown.output
    told = json.loads(run(*asked, "--dry-run", "--json").stdout)
    assert [one["place"]["well"] for one in told] == ["B02", "B02"]
    assert told[0]["split"]["members"][1]["channel"] == "w2"
    alone = run(*asked, "--dry-run", "--channels", "none")
    assert "8 of 8 would fail" in alone.output
    wrong = run(*asked, "--dry-run", "--channels", "{well}_{nonsense}")
    assert wrong.exit_code == 1
    assert "there is no place {nonsense}" in wrong.output
