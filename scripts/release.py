"""Makes a release that can be deployed without Rust, and checks one.

    .venv/bin/python scripts/release.py make       from the artefacts of `make package`, in the folder release/
    .venv/bin/python scripts/release.py verify     compares release/ with its checksums

The folder has the functions' archives, the template that names them, checksums, and a software bill of materials (CycloneDX).
`make deploy` uses the folder if it is there.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import parameters

FOLDER = parameters.ROOT / "release"
BUILT = parameters.ROOT / "target" / "lambda"
SUMS = "SHA256SUMS"
# The functions' platform, so that crates for others aren't listed.
PLATFORM = "aarch64-unknown-linux-gnu"


def functions():
    return sorted(folder.name for folder in (parameters.ROOT / "functions").iterdir())


def template_of(text):
    """The template with the archives in place of the functions' folders."""
    named, count = re.subn(r"^( +)CodeUri: functions/([a-z-]+)$", r"\1CodeUri: \2.zip", text, flags=re.MULTILINE)
    if count != len(functions()):
        raise parameters.Wrong(f"The template has {count} functions, but there are {len(functions())} folders.")
    return named


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def sums(folder):
    """The lines of `sha256sum`, in the order of names."""
    files = sorted(file for file in folder.iterdir() if file.name != SUMS)
    return "".join(f"{digest(file)}  {file.name}\n" for file in files)


def materials(metadata):
    """A CycloneDX bill of the crates in the functions, from `cargo metadata`. Build and test dependencies aren't in them."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    own = set(metadata["workspace_members"])
    names = set(functions())
    waiting = [id for id in own if packages[id]["name"] in names]
    found = set()
    while waiting:
        id = waiting.pop()
        if id in found:
            continue
        found.add(id)
        for dependency in nodes[id]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    components = []
    for package in sorted((packages[id] for id in found), key=lambda package: (package["name"], package["version"])):
        component = {
            "type": "library",
            "bom-ref": f"pkg:cargo/{package['name']}@{package['version']}",
            "name": package["name"],
            "version": package["version"],
            "purl": f"pkg:cargo/{package['name']}@{package['version']}",
        }
        if package.get("license"):
            component["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        components.append(component)
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}


def cargo_metadata():
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", PLATFORM]
    return json.loads(subprocess.run(command, cwd=parameters.ROOT, check=True, capture_output=True, text=True).stdout)


def make(built=BUILT, folder=FOLDER, metadata=cargo_metadata):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in functions():
        archive = built / name / "bootstrap.zip"
        if not archive.exists():
            raise parameters.Wrong(f"{archive} is missing. Run `make package` first.")
        shutil.copyfile(archive, folder / f"{name}.zip")
    text = (parameters.ROOT / "template.yaml").read_text(encoding="utf-8")
    (folder / "template.yaml").write_text(template_of(text), encoding="utf-8")
    (folder / "sbom.cdx.json").write_text(json.dumps(materials(metadata()), indent=1) + "\n", encoding="utf-8")
    (folder / SUMS).write_text(sums(folder), encoding="utf-8")


def verify(folder=FOLDER):
    """Raises parameters.Wrong unless the folder is exactly as it was made, and of the same version as this checkout."""
    if (folder / SUMS).read_text(encoding="utf-8") != sums(folder):
        raise parameters.Wrong(f"The files in {folder} don't match {SUMS}. Download the release again.")
    text = (parameters.ROOT / "template.yaml").read_text(encoding="utf-8")
    if (folder / "template.yaml").read_text(encoding="utf-8") != template_of(text):
        raise parameters.Wrong(f"{folder} belongs to another version than this checkout. Check out its tag, or delete the folder.")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("action", choices=["make", "verify"])
    options = arguments.parse_args()
    try:
        make() if options.action == "make" else verify()
    except (parameters.Wrong, OSError, subprocess.CalledProcessError) as failure:
        parameters.stop(failure)


if __name__ == "__main__":
    main()
