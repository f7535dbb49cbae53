"""Errors of Rekognition and the network: whose fault each is."""

from __future__ import annotations

import socket

import pytest
from botocore.config import Config

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import ObjectNotFound, PictureRefused, Unavailable
from labeller.detectors.base import Picture
from tests.support.aws.rekognition_stub import KEY, Rekognition, Stored, client, detector_by, seen
from tests.support.images.photos import photo


def failing(rekognition: Rekognition, code: str, content: bytes = b"") -> Exception:
    image = content or photo("rocket.jpg")
    rekognition.stub.add_client_error("detect_labels", code, "Says Amazon.", 400)
    with pytest.raises((Unavailable, PictureRefused, ObjectNotFound)) as error:
        seen(rekognition, image)
    assert error.value.__cause__ is not None
    return error.value


@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "LimitExceededException",
        "InternalServerError",
        "ServiceUnavailable",
        "ExpiredTokenException",
        "UnrecognizedClientException",
        "SomethingNewException",
    ],
)
def test_service_error_raises_unavailable(rekognition: Rekognition, code: str) -> None:
    """The message holds the error."""
    error = failing(rekognition, code)
    assert isinstance(error, Unavailable)
    assert f"Rekognition can't answer: An error occurred ({code})" in str(error)
    assert "Says Amazon." in str(error)


def test_missing_permission_raises_unavailable_with_the_remedy(rekognition: Rekognition) -> None:
    """The picture is not at fault."""
    error = failing(rekognition, "AccessDeniedException")
    assert isinstance(error, Unavailable)
    assert str(error).endswith("Check the labeller's role: it needs rekognition:DetectLabels.")


@pytest.mark.parametrize(
    ("code", "expected", "message"),
    [
        (
            "InvalidImageFormatException",
            FailureCode.CORRUPT_IMAGE,
            "The picture can't be read: it is damaged, or a kind of JPEG that is not supported.",
        ),
        (
            "ImageTooLargeException",
            FailureCode.TOO_LARGE,
            "The picture is larger than can be labelled.",
        ),
        (
            "InvalidParameterException",
            FailureCode.UNSUPPORTED_FORMAT,
            "The picture can't be labelled as it is; save it again as an ordinary JPEG.",
        ),
    ],
)
def test_fault_of_the_picture_is_refused_after_one_call(
    rekognition: Rekognition, code: str, expected: FailureCode, message: str
) -> None:
    error = failing(rekognition, code)
    assert isinstance(error, PictureRefused)
    assert (error.code, error.message) == (expected, message)
    png = failing(rekognition, "InvalidParameterException", photo("chelsea.png"))
    assert str(png).endswith("an ordinary PNG.")


def test_unreadable_object_raises_unavailable_with_the_remedy(
    rekognition: Rekognition,
) -> None:
    """A role or a region is wrong, not the picture."""
    error = failing(rekognition, "InvalidS3ObjectException")
    assert isinstance(error, Unavailable)
    assert "Check the labeller's role and the bucket" in str(error)


def test_object_deleted_before_the_call_is_missing(rekognition: Rekognition) -> None:
    starts = [photo("rocket.jpg")]

    def start(length: int) -> bytes:
        if not starts:
            raise ObjectNotFound(KEY)
        return starts.pop()[:length]

    stored = Stored(photo("rocket.jpg"))
    picture = Picture(KEY, ImageType.JPEG, stored._open, len(stored.content), start)
    rekognition.stub.add_client_error("detect_labels", "InvalidS3ObjectException")
    with pytest.raises(ObjectNotFound):
        detector_by(rekognition.client).detect(picture, max_labels=10, min_confidence=55)


def test_every_documented_error_is_handled(rekognition: Rekognition) -> None:
    """A new botocore may add errors."""
    operation = rekognition.client.meta.service_model.operation_model("DetectLabels")
    assert {shape.name for shape in operation.error_shapes} == {
        "AccessDeniedException",
        "ImageTooLargeException",
        "InternalServerError",
        "InvalidImageFormatException",
        "InvalidParameterException",
        "InvalidS3ObjectException",
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
    }


@pytest.mark.parametrize("listens", [True, False])
def test_network_failure_raises_unavailable(listens: bool) -> None:
    """A closed port, or a server that never responds."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listens:
            server.listen()
        config = Config(
            connect_timeout=2, read_timeout=0.2, retries={"total_max_attempts": 1}, proxies={}
        )
        port = server.getsockname()[1]
        detector = detector_by(client(endpoint_url=f"http://127.0.0.1:{port}", config=config))
        with pytest.raises(Unavailable, match=r"imeout|Could not connect"):
            detector.detect(Stored(photo("rocket.jpg")).picture(), max_labels=10, min_confidence=55)
