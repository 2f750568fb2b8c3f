"""Options of learners: what is read from a command line, and what a config refuses."""

from __future__ import annotations

import pytest

from metarec_plugin.conf import joined_options
from metarec_plugin.exceptions import ConfigurationError
from metarec_plugin.train.closed_form import ClosedFormConfig
from metarec_plugin.train.learners import CONFIGS, check_options
from metarec_plugin.train.maml import MamlConfig
from metarec_plugin.train.maml_nn import MamlNNConfig
from metarec_plugin.train.mixture import MixtureConfig
from metarec_plugin.train.options import configured, parse_options


def test_values_are_read_as_json():
    given = ["maml.first_order=true", "maml.decay=2.5", "closed_form.ridges=[1, 3]", " maml.steps = 3 "]
    assert parse_options(given) == {
        "maml": {"first_order": True, "decay": 2.5, "steps": 3},
        "closed_form": {"ridges": [1, 3]},
    }


@pytest.mark.parametrize("text", ["maml", "maml.steps", "steps=3", "=3", ".steps=3", "maml.=3"])
def test_an_option_that_is_not_written_so_is_refused(text):
    with pytest.raises(ConfigurationError, match=r"learner\.name=value"):
        parse_options([text])


def test_options_replace_fields_and_take_their_types():
    config = configured("maml", MamlConfig(), {"first_order": True, "decay": 2, "steps": 3})
    assert (config.first_order, config.steps, config.batch) == (True, 3, MamlConfig().batch)
    assert isinstance(config.decay, float)
    ridges = configured("closed_form", ClosedFormConfig(), {"ridges": [1, 3.5]}).ridges
    assert ridges == (1.0, 3.5)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"step": 3}, "no option 'step'; it has dimensions, steps"),
        ({"first_order": 1}, "first_order of the learner maml is true or false; found 1"),
        ({"steps": 0}, "a whole number from 1; found 0"),
        ({"steps": 2.0}, "a whole number from 1"),
        ({"steps": True}, "a whole number from 1"),
        ({"decay": -1}, "a number from 0; found -1"),
        ({"decay": float("nan")}, "a number from 0"),
        ({"decay": "10"}, "a number from 0; found '10'"),
    ],
)
def test_what_a_config_does_not_take_is_refused_in_words(options, words):
    with pytest.raises(ConfigurationError, match=words):
        configured("maml", MamlConfig(), options)


def test_bounds_of_a_field_go_before_those_of_its_type():
    assert configured("maml_nn", MamlNNConfig(), {"steps": 0}).steps == 0
    with pytest.raises(ConfigurationError, match=r"a number from 0 to 0\.9; found 1"):
        configured("maml_nn", MamlNNConfig(), {"drop_support": 1})


def test_the_experts_of_a_mixture_are_named_from_a_list():
    assert configured("mixture", MixtureConfig(), {"learners": ["maml_nn"]}).learners == ("maml_nn",)
    for wrong in ([], ["reptile"], "maml"):
        with pytest.raises(
            ConfigurationError, match=r"learners of the learner mixture is .*maml, maml_nn; found"
        ):
            configured("mixture", MixtureConfig(), {"learners": wrong})


def test_every_default_is_a_value_that_its_own_config_takes():
    for name, config in CONFIGS.items():
        defaults = {field: getattr(config(), field) for field in config.__dataclass_fields__}
        assert configured(name, config(), defaults) == config()


def test_options_of_a_learner_that_is_not_there_are_refused():
    with pytest.raises(ConfigurationError, match="found some for 'mamml'"):
        check_options({"mamml": {}})


def test_later_options_go_before_earlier_ones_one_by_one():
    first = {"maml": {"steps": 3, "decay": 1.0}}
    found = joined_options(first, {"maml": {"steps": 1}, "reptile": {"steps": 2}})
    assert found == {"maml": {"steps": 1, "decay": 1.0}, "reptile": {"steps": 2}}
    assert first == {"maml": {"steps": 3, "decay": 1.0}}
