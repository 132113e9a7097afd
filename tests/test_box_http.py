"""What people's services take and answer: forms, JPEG, names that are numbers, labels alone."""

import base64
import email
import io
import json
from urllib.parse import parse_qs

import numpy as np
import pytest
from PIL import Image
from stub_transport import asked, picture_in, pictures, says, stubbed

from rebox.box import open_box
from rebox.box.service import Secret
from rebox.errors import InvalidAnswer, InvalidOption

HTTP = "http:https://host.example/v1?size=4&classes=cat,dog"
HUGGING = "huggingface:org/model?size=4"


def scores_of(options, answer, uri=HTTP):
    return asked(stubbed(uri + options, says(answer)))[0].astype(float).round(4).tolist()


def fault_of(options, answer, uri=HTTP):
    with pytest.raises(InvalidAnswer) as caught:
        asked(stubbed(uri + options, says(answer)))
    return str(caught.value)


# --- names ----------------------------------------------------------------------------------------


def entries(*pairs):
    return [{"label": name, "score": score} for name, score in pairs]


LISTED = "&name=label&score=score"


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        ("0,1", (0, 1)),
        ("0,1", (0.0, 1.0)),
        ("0.5,1", (0.5, 1)),
        ("true,false", (True, False)),
        ("cat,big dog", (" cat", "big  dog")),
        ("caf%C3%A9,dog", ("cafe\u0301", "dog")),
        ("cafe%CC%81,dog", ("caf\u00e9", "dog")),
    ],
)
def test_a_name_may_be_a_number_and_spelled_by_other_bytes(classes, names):
    uri = f"http:https://host.example/v1?size=4&classes={classes}{LISTED}"
    answer = entries((names[1], 0.3), (names[0], 0.7))
    assert scores_of("", answer, uri) == [[0.7, 0.3]]


@pytest.mark.parametrize("name", [None, ["cat"], {"id": 1}])
def test_what_is_no_name_is_none(name):
    assert "where the name of a class was expected" in fault_of(LISTED, entries((name, 1)))


@pytest.mark.parametrize(
    ("told", "score"),
    [("0.93", 0.93), ("93.1%", 0.931), (" 9.3e-1 ", 0.93), ("7 %", 0.07), (".5", 0.5), ("1", 1.0)],
)
def test_a_score_may_be_a_text(told, score):
    assert scores_of("", {"cat": told, "dog": 0}) == [[pytest.approx(score), 0]]
    assert scores_of("", [told, "0"]) == [[pytest.approx(score), 0]]


@pytest.mark.parametrize(
    "told", ["much", "0,93", "1_0", "-0.1", "nan", "", True, None, [1], 10**400]
)
def test_what_is_no_score_is_none(told):
    assert "score" in fault_of("", {"cat": told, "dog": 0})


def test_numbers_of_any_size_are_refused_and_not_a_crash():
    assert "no list of numbers" in fault_of("", [10**400, 0.5])


def test_what_has_one_name_is_added_up_and_that_is_said(tmp_path):
    answer = entries(("crane", 0.5), ("crane", 0.25), ("dog", 0.25))
    (tmp_path / "names.txt").write_text("crane\ncrane\ndog\n")
    boxes = {
        f"{HUGGING}&labels={tmp_path / 'names.txt'}": [[0.75, 0, 0.25]],
        f"{HUGGING}&classes=crane,dog": [[0.75, 0.25]],
    }
    for uri, row in boxes.items():
        box = stubbed(uri, says(answer))
        with box, pytest.warns(UserWarning, match="'crane' comes twice: its scores are added up"):
            assert box.ask(pictures(box)).tolist() == row


def test_a_class_that_should_come_twice_and_does_not_is_missing(tmp_path):
    (tmp_path / "names.txt").write_text("crane\ncrane\ndog\n")
    uri = f"{HUGGING}&labels={tmp_path / 'names.txt'}"
    assert "left out the class 'crane (2)'" in fault_of("", entries(("crane", 1), ("dog", 0)), uri)


TAGS = entries(("cat", 0.5), ("whiskers", 0.25))


@pytest.mark.parametrize("uri", [HTTP + LISTED, f"{HUGGING}&classes=cat,dog"])
def test_tags_that_nobody_listed_are_passed_over_if_the_user_says_so(uri):
    said = fault_of("&complete=false", TAGS, uri)
    assert "'whiskers'" in said
    assert "others=ignore" in said
    assert scores_of("&complete=false&others=ignore", TAGS, uri) == [[0.5, 0]]
    assert "left out the class 'dog'" in fault_of("&others=ignore", TAGS, uri)
    usual, ignoring = open_box(uri).spec, open_box(f"{uri}&others=ignore").spec
    assert ignoring.identity == usual.identity.replace("&asked", "&others=ignore&asked") or (
        ignoring.identity == f"{usual.identity}&others=ignore"
    )
    assert not ignoring.sums_to_one


# --- where names and scores stand -----------------------------------------------------------------

APART = {"predictions": [{"displayNames": ["dog", "cat"], "confidences": [0.9, 0.1]}]}


@pytest.mark.parametrize(
    "options",
    [
        "&scores=predictions[0].confidences&name=predictions[0].displayNames",
        "&scores=predictions[0].confidences&name=displayNames",
        "&scores=predictions[0]&score=confidences&name=displayNames",
        "&scores=predictions[0].confidences[*]&name=displayNames",
    ],
)
def test_names_and_scores_may_stand_in_two_lists(options):
    assert scores_of(options, APART) == [[0.1, 0.9]]


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ("&scores=predictions[0].confidences", APART),
        ("&scores=[1]", [["dog", "cat"], [0.9, 0.1]]),
        ("&scores=p", {"p": [0.9, 0.1], "labels": ["dog", "bird"]}),
    ],
)
def test_numbers_are_not_read_by_place_where_other_names_stand_beside_them(options, answer):
    assert "names its scores beside them, at " in fault_of(options, answer)


def test_numbers_are_read_by_place_where_the_names_beside_them_say_so():
    answer = {"p": [0.9, 0.1], "labels": ["cat", "dog"], "text": ["1", "2"], "boxes": [[1], [2]]}
    assert scores_of("&scores=p", answer) == [[0.9, 0.1]]


def test_lists_whose_lengths_differ_are_no_pairs():
    answer = {"p": [0.9, 0.1], "labels": ["cat", "dog", "cow"]}
    assert "2 scores and 3 names" in fault_of("&scores=p&name=labels", answer)
    assert "2 scores and no list of names" in fault_of("&scores=p&name=nowhere", answer)
    assert "lists in p, labels at the top" in fault_of("", answer)


def test_the_best_class_may_stand_alone_with_its_score():
    answer = {"class": "dog", "confidence": 0.93}
    assert scores_of("&name=class&score=confidence&complete=false", answer) == [[0, 0.93]]
    assert "left out" in fault_of("&name=class&score=confidence", answer)


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ("&label=prediction", {"prediction": "dog"}),
        ("&label=predictions", {"predictions": [1]}),
        ("&label=predictions[0]", {"predictions": [1]}),
        ("&label=p.class", {"p": {"class": "1"}}),
        ("&label=p", {"p": 1.0}),
        ("&label=p", {"p": " dog "}),
    ],
)
def test_a_label_may_stand_alone(options, answer):
    box = stubbed(HTTP + options, says(answer))
    assert asked(box)[0].tolist() == [[0, 1]]
    assert (box.spec.labels_only, box.spec.complete, box.spec.sums_to_one) == (True, False, True)


def test_a_label_may_stand_in_an_entry_for_each_image():
    answer = {"r": [{"l": "dog"}, {"l": "cat"}]}
    box = stubbed(f'{HTTP}&body={{"i":"{{images}}"}}&items=r&label=l', says(answer))
    assert asked(box, 2)[0].tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("label", ["cow", 2, -1, None, ["cat", "dog"], {}, "99999999999999999999"])
def test_what_is_no_label_is_none(label):
    assert "class" in fault_of("&label=l", {"l": label})


def test_where_a_label_stands_the_option_is_named():
    assert "open the box with label=prediction" in fault_of(
        "&scores=prediction", {"prediction": "cat"}
    )


# --- what a service says instead of scores --------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        {"success": False, "error": "image too small"},
        {"status": "error", "message": "image too small"},
        {"errors": [{"message": "image too small"}]},
        [{"error": "image too small"}],
        "image too small",
        {"predictions": [], "error": {"code": 3, "reason": "image too small"}},
    ],
)
@pytest.mark.parametrize(
    "options", ["", "&scores=predictions&name=label&score=confidence", "&label=l"]
)
def test_what_a_service_says_instead_of_scores_is_quoted(options, answer):
    said = fault_of(options, answer)
    assert "image too small" in said
    assert len(said.splitlines()) == 1


def test_a_text_instead_of_json_is_quoted():
    box = stubbed(f"{HTTP}&attempts=1", says(b"image too small\n"))
    with pytest.raises(InvalidAnswer, match=r"no JSON .*: image too small"):
        asked(box)


@pytest.mark.parametrize(
    "uri", [f"{HUGGING}&classes=a,b", "mlflow:http://localhost:1?size=4&classes=a,b"]
)
def test_every_service_is_quoted(uri):
    assert "it says: out of memory" in fault_of("", {"error": "out of memory"}, uri)


# --- what is sent ---------------------------------------------------------------------------------

ROW = {"cat": 0.25, "dog": 0.75}


def sent(options):
    box = stubbed(HTTP + options, says(ROW))
    scores, (request,) = asked(box)
    assert scores.tolist() == [[0.25, 0.75]]
    return request, pictures(box)[0], box


def parts_of(request):
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    return {
        part.get_param("name", header="content-disposition"): part
        for part in email.message_from_bytes(head + request.content).get_payload()
    }


def test_an_image_is_sent_as_a_file_in_a_form():
    request, picture, _ = sent("&body=multipart&field=image&form.model=m%201&form.top=5")
    parts = parts_of(request)
    assert list(parts) == ["model", "top", "image"]
    assert parts["model"].get_payload() == "m 1"
    assert parts["image"].get_filename() == "image.png"
    assert parts["image"].get_content_type() == "image/png"
    np.testing.assert_array_equal(picture_in(parts["image"].get_payload(decode=True)), picture)
    assert list(parts_of(sent("&body=multipart")[0])) == ["file"]


def test_the_same_form_is_the_same_bytes():
    assert sent("&body=multipart")[0] == sent("&body=multipart")[0]


def test_an_image_is_sent_in_base64():
    request, picture, _ = sent("&body=base64")
    np.testing.assert_array_equal(picture_in(base64.b64decode(request.content)), picture)
    request, picture, _ = sent("&body=form&field=image&form.a=b%26c")
    fields = parse_qs(request.content.decode(), strict_parsing=True)
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert fields["a"] == ["b&c"]
    np.testing.assert_array_equal(picture_in(base64.b64decode(fields["image"][0])), picture)


@pytest.mark.parametrize("body", ["", "&body=multipart", '&body={"i":"{image}"}'])
def test_an_image_may_be_a_jpeg(body):
    request, picture, box = sent(f"&format=jpeg{body}")
    content = request.content
    if "multipart" in body:
        content = parts_of(request)["file"].get_payload(decode=True)
    elif body:
        content = base64.b64decode(json.loads(content)["i"])
    else:
        assert request.headers["Content-Type"] == "image/jpeg"
    image = Image.open(io.BytesIO(content))
    assert (image.format, image.size) == ("JPEG", (4, 4))
    assert np.abs(np.asarray(image).astype(float) - picture).mean() < 40  # noise, which blurs
    assert len(sent(f"&format=jpeg&quality=10{body}")[0].content) < len(request.content)
    assert box.spec.identity != open_box(HTTP + body).spec.identity


def test_a_box_that_is_asked_as_before_is_the_same_box():
    assert open_box(HTTP).spec.identity.endswith("&asked=b334500cc156")


@pytest.mark.parametrize(
    ("body", "place", "written"),
    [
        ("multipart", "form.key={key}", b'"key"\r\n\r\na/b+"c"\r\n'),
        ("form", "form.key={key}", b"key=a%2Fb%2B%22c%22&"),
        ('{"k":"{key}","i":"{image}"}', "decimals=3", b'"k": "a/b+\\"c\\""'),
    ],
)
def test_a_key_is_written_as_the_body_is(monkeypatch, body, place, written):
    box = stubbed(f"{HTTP}&body={body}&{place}&key_env=REBOX_TEST_KEY", says(ROW))
    _, (request,) = asked(box)
    assert written in box.key.put(request, Secret('a/b+"c"')).content


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("&field=image", "pass body=multipart"),
        ("&form.a=b", "pass body=multipart"),
        ("&quality=80", "with format=jpeg"),
        ("&format=jpeg&quality=96", "1 to 95"),
        ("&format=gif", "one of png, jpeg"),
        ("&body=multipart&form.api_key=abc", "the field api_key in body looks like a key"),
        ("&body=picture", "raw, base64, multipart, form, or a template"),
        ("&body=multipart&items=a", "items is for bodies of several"),
        ("&others=some", "one of refuse, ignore"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, words):
    with pytest.raises(InvalidOption, match=words):
        open_box(HTTP + options)
