"""What is a devfile, be it a wrong one, and what is another file."""

from __future__ import annotations

import pytest

from moorage.devfile.recognition import is_devfile


@pytest.mark.parametrize(
    "text",
    [
        "schemaVersion: 2.2.0\n",
        "schemaVersion: 2.9.9\nno: such key\n",
        "# a comment\n---\nschemaVersion: '2.2.0' # why\ncomponents: [\n",
        '"schemaVersion": "2.2.0-alpha"\n\tcomponents: x\n',
        "metadata:\n  name: x\nschemaVersion: 2.1.0\ncomponents:\n- name: 'not closed\n",
        "components:\n- name: a\n  container: {image: i}\nschemaVersion: 2.0.0\n: : :\n",
        '{"schemaVersion": "2.2.0", "components": []}',
        "kind: DevWorkspace\napiVersion: workspace.devfile.io/v1alpha2\nspec: [\n",
    ],
)
def test_devfiles(text: str) -> None:
    """By what it says, whether or not it can be parsed; wherever the version stands."""
    assert is_devfile(text)
    assert is_devfile(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PASSWORD=secret\n",
        "password: secret\ntoken: secret\n",
        "password: [secret\n",
        "- secret\n- schemaVersion: 2.2.0\n",
        "root:x:0:0:root:/root:/bin/sh\n",
        "-----BEGIN PRIVATE KEY-----\nsecret\n",
        "schemaVersion: 2\n",
        "schemaVersion: 1.0.0\npassword: secret\n",
        'schemaVersion: "2.2"\ndescription: an SSM document\n',
        "schemaVersion: [2.2.0]\n",
        "schemaVersion: secret: [2.2.0\n",
        "apiVersion: v1\nkind: Secret\ndata: {password: secret}\n",
        "apiVersion: v1\nkind: Secret\nstringData:\n  devfile: |\n    schemaVersion: 2.2.0\n  password: [secret\n",
        "password: secret\nschemaVersion: 2.2.0\n: [\n",
        "    password: secret\n    schemaVersion: 2.2.0\n  broken: [\n",
        "# How to\n\nWrite a devfile:\n\n```yaml\nschemaVersion: 2.2.0\n```\nsecret: [\n",
        'TEXT = """\nschemaVersion: 2.2.0\n"""\nSECRET = "secret"\n',
        '{"password": "secret", "inner": {"schemaVersion": "2.2.0"}}',
        "variables:\n  password: secret\n",
        "\xff\xfe",
        "components:\n" + "- x\n" * 600 + "schemaVersion: 2.2.0\n: [\n",
    ],
)
def test_other_files(text: str) -> None:
    """Secrets, documents about devfiles and files of other programs are none, even where one stands
    inside."""
    assert not is_devfile(text)
