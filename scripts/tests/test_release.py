"""A release names exactly what it contains."""

import json

import pytest

import parameters
import release


@pytest.fixture
def folder(tmp_path):
    for name in release.functions():
        (tmp_path / "built" / name).mkdir(parents=True)
        (tmp_path / "built" / name / "bootstrap.zip").write_bytes(name.encode())
    release.make(tmp_path / "built", tmp_path / "release", release.cargo_metadata)
    return tmp_path / "release"


def test_a_release_has_every_function_and_a_template_that_names_it(folder):
    template = (folder / "template.yaml").read_text()
    for name in release.functions():
        assert (folder / f"{name}.zip").read_bytes() == name.encode()
        assert f"CodeUri: {name}.zip\n" in template
    assert "CodeUri: functions/" not in template
    release.verify(folder)


def test_the_bill_of_materials_lists_what_is_in_the_functions_and_nothing_else(folder):
    bill = json.loads((folder / "sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    names = {component["name"] for component in bill["components"]}
    assert {"twostep-domain", "lambda_http", "aws-lc-rs", "argon2", "send-sms"} <= names
    assert names.isdisjoint({"twostep-tests", "twostep-local", "dynoxide-rs", "proptest", "windows-sys", "minijinja"})
    for component in bill["components"]:
        assert component["purl"] == f"pkg:cargo/{component['name']}@{component['version']}"


def test_a_changed_added_or_missing_file_is_noticed(folder):
    for change in (
        lambda: (folder / "web.zip").write_bytes(b"other"),
        lambda: (folder / "extra.zip").write_bytes(b""),
        lambda: (folder / "web.zip").unlink(),
    ):
        change()
        with pytest.raises(parameters.Wrong, match="don't match"):
            release.verify(folder)


def test_a_release_of_another_version_is_refused(folder):
    template = folder / "template.yaml"
    template.write_text(template.read_text().replace("TwoStep", "Other"))
    (folder / release.SUMS).write_text(release.sums(folder))
    with pytest.raises(parameters.Wrong, match="another version"):
        release.verify(folder)


def test_nothing_is_released_before_it_is_packaged(tmp_path):
    with pytest.raises(parameters.Wrong, match="make package"):
        release.make(tmp_path, tmp_path / "release", dict)
