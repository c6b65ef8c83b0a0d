"""The ready layouts in a real browser: what a mail program shows, light and dark, without images."""

import pytest

from campaigns.models import CampaignContent
from tests.campaigns.letters import LINKS, compiled

LONG = "x" * 120
BODY = f"""# {LONG}

Bonjour {{{{ first_name | default: 'chère lectrice' }}}}, https://lumen.example/{LONG}?a=1

![Trois livres {LONG}](https://img.invalid/books-600.jpg)

- Un point {LONG}

> {LONG}

| Jour | Lieu | Quoi | Prix |
|---|---|---|--:|
| Mardi | Librairie | {LONG} | 12,50 |

```
{LONG}
```

**[Voir le catalogue](https://lumen.example/catalogue)**
"""
# Each text with the color painted behind it, as WCAG 2.2 counts contrast.
CONTRASTS = """() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = numbers(color).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if ((numbers(color)[3] ?? 1) > 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = [...document.querySelectorAll("h1, p, li, td, th, a, pre, code, strong")]
    .filter((node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  return texts.map((node) => {
    const [a, b] = [light(getComputedStyle(node).color), light(behind(node))].sort((x, y) => y - x);
    return [node.outerHTML.slice(0, 60), (a + 0.05) / (b + 0.05)];
  });
}"""

LINES = """(node) => {
  const range = document.createRange();
  range.selectNodeContents(node);
  return range.getClientRects().length;
}"""


@pytest.mark.parametrize("layout", CampaignContent.Layout.values)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_is_read_whole_at_every_width(visit, layout, dark, width):
    made = compiled(BODY, layout=layout, language="fr", preheader="Ici")
    page = visit("/", width=width, dark=dark)
    page.goto("about:blank")  # The desk's pages permit no inline style.
    page.route("https://img.invalid/**", lambda route: route.abort())
    page.set_content(made.render({"first_name": "", **LINKS}).html)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    seen = page.evaluate(CONTRASTS)
    assert len(seen) > 10
    assert [each for each in seen if each[1] < 4.5] == []
    for word in ("Mardi", "Librairie", "12,50"):
        assert page.get_by_text(word, exact=True).evaluate(LINES) == 1
