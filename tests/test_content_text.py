"""The text part made from HTML (MF-12)."""

import pytest

from campaigns.content.textpart import make_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two<br>Three</p>", "One\n\nTwo\nThree"),
        (
            "<p>Read <a href='https://x.example/a?b=1&amp;c=2'>this</a>, please.</p>",
            "Read this <https://x.example/a?b=1&c=2>, please.",
        ),
        ("<a href='https://x.example'>https://x.example</a>", "https://x.example"),
        ("<a href='mailto:a@x.example'>a@x.example</a>", "a@x.example"),
        ("<a href='#top'>Top</a>", "Top"),
        ("<a href='https://x.example'><img src='b.png' alt='Big sale'></a>", "Big sale <https://x.example>"),
        ("<a href='https://x.example'><img src='b.png' alt=''></a>", "<https://x.example>"),
        ("<ul><li>One<li>Two</ul><ol><li><p>A</p></li><li>B</li></ol>", "- One\n- Two\n\n1. A\n\n2. B"),
        ("<table><tr><td>Row</td><td>7</td></tr><tr><td>Seat</td><td>12</td></tr></table>", "Row 7\nSeat 12"),
        ("<title>T</title><style>p{}</style><script>x</script><p>Body</p>", "Body"),
        ("<div style='display:none'>Preview<b>!</b></div><p hidden>x</p><p>Body</p>", "Body"),
        ("<p>  lots \n of\t<b> blanks </b>here </p>", "lots of blanks here"),
        ("<h1>Title</h1>Text<hr>End", "Title\n\nText\n\n----\n\nEnd"),
        ("<p>5 &lt; 6 &amp; caf&eacute;</p>", "5 < 6 & café"),
        ("</b><p>un<i>closed<p>tags", "unclosed\n\ntags"),
        ("<!--[if mso]><p>Outlook</p><![endif]--><!--[if !mso]><!--><p>Others</p><!--<![endif]-->", "Others"),
    ],
)
def test_html_becomes_text(html: str, text: str) -> None:
    assert make_text(html).text.rstrip("\n") == text


def test_the_text_of_a_mail_without_words_is_one_empty_line() -> None:
    assert make_text("<p></p>").text == "\n"


def test_a_declaration_nobody_knows_is_no_text_and_no_error() -> None:
    """Browsers take it for a comment; an error would stop every mail of the campaign."""
    assert make_text("<p>a<![foo[b]]>c</p>").text == "ac\n"
