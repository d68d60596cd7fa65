"""What is around a page's elements, and whether a body is a page at all: looked at as it arrives."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from extract.decode import with_lone_surrogates_marked


class MalformedPageError(ValueError):
    """The body is no page: no JSON, no object with a list of objects, or one with nothing of a page."""


class _Anything(msgspec.Struct, gc=False):
    """Any JSON object; its members are checked for well-formedness and skipped."""


class _Page(msgspec.Struct, gc=False):
    nextToken: str | None = None  # noqa: N815 - the API's own spelling
    requestId: Any = None  # noqa: N815 - the API's own spelling


class Envelope(_Page, gc=False):
    """What is around a page's elements: how many there are, and the token of the next page."""

    imageSummaryList: list[_Anything] | UnsetType | None = UNSET  # noqa: N815 - the API's own spelling


class _Image(msgspec.Struct, gc=False):
    arn: str | None = None


class _Images(_Page, gc=False):
    imageVersionList: list[_Image] | UnsetType | None = UNSET  # noqa: N815 - the API's own spelling


_envelope_decoder: Final = msgspec.json.Decoder(Envelope)
_images_decoder: Final = msgspec.json.Decoder(_Images)


def open_envelope(body: bytes) -> Envelope:
    """The page's item count and next token, after checking that the whole body is well-formed.

    Raises MalformedPageError where it is not, or where an element is not an object.
    """
    envelope: Envelope = _opened(body, _envelope_decoder, "builds")
    _require_page(envelope, envelope.imageSummaryList, "builds")
    return envelope


def listed_images(body: bytes) -> list[str]:
    """The ARNs of a page of images. Raises MalformedPageError where the body is none."""
    page: _Images = _opened(body, _images_decoder, "images")
    _require_page(page, page.imageVersionList, "images")
    return [image.arn for image in page.imageVersionList or () if image.arn is not None]


def _require_page(page: _Page, listed: object, of: str) -> None:
    """A proxy's word in JSON is no page without any builds: nothing would be read, as if none were."""
    if listed is UNSET and page.nextToken is None and page.requestId is None:
        raise MalformedPageError(f"the answer's body is not a page of {of}: it has no list of them")


def _opened(body: bytes, decoder: msgspec.json.Decoder[Any], of: str) -> Any:
    try:
        body.decode()
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if (marked := with_lone_surrogates_marked(body)) != body:
            return _opened(marked, decoder, of)
        raise MalformedPageError(f"the answer's body is not a page of {of}: {error}") from error
