"""Every service is a box like any other, asked over HTTP from our own rehearsal of it."""

import numpy as np
import pytest
from texts import SOURCES, reviews, scores, text_box

from rebox.box import open_box
from rebox.box.rehearsal import RehearsalBox
from rebox.box.service.labels import open_labels
from rebox.errors import InvalidAnswer, InvalidOption
from rebox.rehearsal import Limits, Rehearsal
from rebox.sample import as_texts
from rebox.testing import BoxContract, TextBoxContract

SIZE = 12


def behind(classes=5, pixels="uint8"):
    return RehearsalBox(classes=classes, size=SIZE, pixels=pixels, seed=3)


class ServiceContract(BoxContract):
    service = ""
    options = f"size={SIZE}"
    pixels = "uint8"

    @pytest.fixture
    def rehearsal(self):
        limits = Limits()  # none: how a box keeps to limits is tested with its sender
        with Rehearsal(self.service, behind(pixels=self.pixels), limits=limits) as service:
            yield service

    @pytest.fixture
    def box(self, rehearsal):
        with open_box(self.uri(rehearsal)) as box:
            yield box

    @pytest.fixture
    def reopen(self, rehearsal):
        opened = []

        def again():
            opened.append(open_box(self.uri(rehearsal)))
            return opened[-1]

        yield again
        for box in opened:
            box.close()

    def uri(self, rehearsal):
        return "&".join(filter(None, [rehearsal.uri, self.options]))

    def test_it_answers_as_the_box_behind_it(self, box):
        images = np.random.default_rng(0).integers(0, 256, (9, SIZE, SIZE, 3), dtype=np.uint8)
        asked = images if self.pixels == "uint8" else images.astype(np.float32) / np.float32(255)
        np.testing.assert_allclose(
            box.ask(asked), behind(pixels=self.pixels).ask(asked), rtol=0, atol=1e-6
        )
        assert box.spec.classes == behind().spec.classes


class TestClarifai(ServiceContract):
    service = "clarifai"


class TestAzure(ServiceContract):
    service = "azure-custom-vision"


class TestAzureThatStores(ServiceContract):
    service = "azure-custom-vision"
    options = f"size={SIZE}&store=true&version=v3.1&multilabel=true"


class TestOpenInferenceOfLevels(ServiceContract):
    service = "oip"
    options = ""


class TestOpenInference(ServiceContract):
    service = "oip"
    options = "batch_size=3&sums_to_one=true"
    pixels = "float32"


class TestOpenInferenceInJson(ServiceContract):
    service = "oip"
    options = "binary=false"
    pixels = "float32"


class TestOpenInferencePlanarAndPacked(ServiceContract):
    service = "oip"
    options = ""
    pixels = "float32"

    @pytest.fixture
    def rehearsal(self):
        behind_it = behind(pixels=self.pixels)
        with Rehearsal("oip", behind_it, layout="nchw", gzip=True) as service:
            yield service


class TestMlflow(ServiceContract):
    service = "mlflow"
    options = "batch_size=5"
    pixels = "float32"


class TestMlflowOfLevels(ServiceContract):
    service = "mlflow"
    options = ""


class TestHuggingFace(ServiceContract):
    service = "huggingface"


class TestVertex(ServiceContract):
    service = "vertex"


class TestVertexOfSeveralLabels(ServiceContract):
    service = "vertex"
    options = f"size={SIZE}&multilabel=true&usd_per_hour=0.6"


class TestHttp(ServiceContract):
    service = "http"


class TextServiceContract(TextBoxContract):
    """A service that is shown texts, asked over HTTP from our own rehearsal of it."""

    service, options = "", ""

    @pytest.fixture
    def rehearsal(self):
        with Rehearsal(self.service, text_box(), limits=Limits()) as service:
            yield service

    @pytest.fixture
    def box(self, rehearsal):
        with open_box(rehearsal.uri + self.options) as box:
            yield box

    def test_it_answers_as_the_box_behind_it(self, box):
        texts = as_texts([*reviews(9)[0], "é {text} \x00"])
        np.testing.assert_allclose(box.ask(texts), scores(texts.tolist()), rtol=0, atol=1e-6)
        assert box.spec.classes == SOURCES


class TestTextsAtHuggingFace(TextServiceContract):
    service = "huggingface"


class TestTextsByHttp(TextServiceContract):
    service = "http"


class TestTextsAtMlflow(TextServiceContract):
    service = "mlflow"


class TestTextsInAColumn(TextServiceContract):
    service, options = "mlflow", "&input=review"


class TestTextsByOpenInference(TextServiceContract):
    service = "oip"


class TestTextsByOpenInferenceInJson(TextServiceContract):
    service, options = "oip", "&binary=false&batch_size=3"


def names_of(uri):
    """Return the names of a service's classes, learned by one question."""
    with open_labels(uri) as labels:
        labels.ask(labels.grey())
        return labels.names


def without_classes(uri):
    base, _, options = uri.partition("?")
    return f"{base}?{'&'.join(o for o in options.split('&') if not o.startswith('classes='))}"


@pytest.mark.parametrize(
    "service", ["clarifai", "azure-custom-vision", "huggingface", "vertex", "http"]
)
def test_labels_are_learned_by_one_question(service):
    names = tuple(f"class {letter}" for letter in "zyxwvut")
    with Rehearsal(service, behind(classes=7), classes=names) as rehearsal:
        uri = without_classes(f"{rehearsal.uri}&size={SIZE}")
        assert names_of(uri) == tuple(sorted(names))
        assert rehearsal.bill.queries == 1


@pytest.mark.parametrize(("service", "asked"), [("oip", 0), ("mlflow", 1)])
def test_columns_without_names_teach_none(service, asked):
    with Rehearsal(service, behind(pixels="float32")) as rehearsal:
        with pytest.raises((InvalidOption, InvalidAnswer), match="does not name the classes"):
            names_of(without_classes(rehearsal.uri))
        assert rehearsal.bill.queries == asked


@pytest.mark.parametrize(
    "limit", ["top_k=2", "decimals=2", "labels_only=true", "labels_only=false"]
)
def test_a_box_with_a_limit_is_opened_once(limit):
    """A server of the Open Inference Protocol is asked what it serves when a box is opened."""

    def questions(options):
        with Rehearsal("oip", behind(), record=True) as service:
            box = open_box(f"{service.uri}{options}")
            assert box.uri.endswith(options)
            return [request.path for request in service.requests]

    assert questions(f"&{limit}") == questions("") == ["/v2/models/rehearsal", "/v2"]
