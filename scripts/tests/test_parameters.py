"""Parameter files and the questions of a first deployment."""

import pytest

import parameters

KNOWN = parameters.of_template()


def test_a_file_is_read_with_numbers_and_booleans(tmp_path):
    file = tmp_path / "prod.toml"
    file.write_text(
        'stack_name = "twostep"\nregion = "eu-west-1"\n[parameters]\nSiteName = "Ada & Sons"\nSmsPerHour = 500\nAddressLimits = false\n'
    )
    deployment = parameters.read(file, KNOWN)
    assert (deployment.stack_name, deployment.region) == ("twostep", "eu-west-1")
    assert deployment.parameters == {"SiteName": "Ada & Sons", "SmsPerHour": "500", "AddressLimits": "off"}
    assert deployment.value("SmsPerDay", KNOWN) == "1000", "the template's default"


def test_every_fault_of_a_file_is_named_at_once(tmp_path):
    file = tmp_path / "prod.toml"
    file.write_text(
        'stack_name = "two step"\nsite = "x"\n[tags]\n"aws:x" = "1"\n[parameters]\nSiteName = "Señor"\nSmsPerHour = 0\nLogLevel = "loud"\nSmsPerDay = "1e3"\nNone = 1\n'
    )
    with pytest.raises(parameters.Wrong) as wrong:
        parameters.read(file, KNOWN)
    for name in ("stack_name", "region", "site", "aws:x", "SiteName", "SmsPerHour", "LogLevel", "SmsPerDay", "None"):
        assert f"- {name} " in str(wrong.value), name
    assert "must be 1 to 30 letters" in str(wrong.value), "the template's own rule"


@pytest.mark.parametrize("content", ["stack_name = ", None])
def test_a_missing_or_broken_file_is_explained(tmp_path, content):
    file = tmp_path / "prod.toml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(parameters.Wrong, match="TOML" if content else "make deploy-first"):
        parameters.read(file, KNOWN)


def test_what_is_written_is_read_again(tmp_path):
    file = tmp_path / "deploy.toml"
    written = parameters.Deployment("twostep", "eu-west-1", {"SiteName": "Ada's", "AllowedCountries": "US,ES"}, {}, {"team": "web"})
    parameters.write(file, written)
    assert parameters.read(file, KNOWN) == written


def test_questions_show_what_a_parameter_does_and_repeat_until_the_answer_fits():
    answers = iter(["", "eu west", "eu-west-1", "Señor", "Ada", *[""] * len(KNOWN)])
    questions, said = [], []

    def reader(question):
        questions.append(question)
        return next(answers)

    deployment = parameters.ask_all(KNOWN, reader, said.append)
    assert deployment.stack_name == "twostep" and deployment.region == "eu-west-1"
    assert deployment.parameters == {"SiteName": "Ada"}, "only what differs from the defaults"
    assert [question for question in questions if question.startswith("SiteName")] == ["SiteName [Example]: "] * 2
    text = "\n".join(said)
    assert all(parameter.description in text for parameter in KNOWN.values())
    assert "must be 1 to 30 letters" in text


def test_enter_is_a_valid_answer_to_every_question():
    assert parameters.ask_all(KNOWN, lambda _: "", lambda _: None).parameters == {}
