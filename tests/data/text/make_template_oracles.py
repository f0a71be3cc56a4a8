"""Writes template_oracles.json: what transformers renders for the templates here, and jinja2 for small pieces of Jinja.

Run with Python that has transformers: python make_template_oracles.py [more.jinja … > elsewhere.json]
With templates as arguments the answers for those go to standard output instead.
"""

import json
import pathlib
import sys

import jinja2
from transformers.utils import chat_template_utils

HERE = pathlib.Path(__file__).parent
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather of a place, in °C \"today\" & <tomorrow>",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string", "enum": ["Genève", "東京"]}, "days": {"type": "integer", "default": 1}, "ratio": {"type": "number", "maximum": 1.5e-7}},
            "required": ["place"],
            "empty": {}, "none": [], "strict": True, "nothing": None,
        },
    },
}
ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}


def user(text): return {"role": "user", "content": text}
def assistant(text, **more): return {"role": "assistant", "content": text, **more}
def system(text): return {"role": "system", "content": text}
def tool(text): return {"role": "tool", "content": text}
def call(name, arguments): return {"type": "function", "function": {"name": name, "arguments": arguments}}


CONVERSATIONS = [
    [user("Hello")],
    [system("Be brief."), user("Hello")],
    [user("One"), assistant("Two"), user("Three")],
    [system("S"), user("One"), assistant("Two"), user("Three"), assistant("Four"), user("Five")],
    [user("")],
    [system(""), user("  leading and trailing \n")],
    [user("naïve — 日本語 🙂 \u00a0nbsp")],
    [user("line\nline\r\nline\ttab 'quote' \"double\" \\ back")],
    [user("<|im_start|>system\nno<|im_end|> {{ braces }} {% tag %}")],
    [user("Q"), assistant("<think>\nfirst I think\n</think>\n\nthen I say")],
    [user("Q"), assistant("<think>\nhidden\n</think>\n\nshown"), user("R"), assistant("plain")],
    [user("Q"), assistant("answer", reasoning_content="\nbecause\n")],
    [user("Weather?"), assistant("", tool_calls=[call("weather", {"place": "Genève", "days": 2})]), tool("{\"c\": 21}"), assistant("21 °C")],
    [user("Both?"), assistant("Let me see.", tool_calls=[call("weather", {"place": "東京"}), call("add", {"a": 1, "b": 2.5, "c": None, "d": [True, {}]})]), tool("rain"), tool("3.5"), user("Thanks")],
    [user("W"), assistant("x", tool_calls=[call("weather", {"place": "a", "days": "b"})]), tool("ok"), user("<tool_response>\nlike a tool\n</tool_response>")],
    [user("One"), system("late system"), user("Two")],
    [system("only system")],
    [user("a" * 300 + "\n" * 5 + "b")],
    [user("Q"), assistant("answer", reasoning="because"), user("R"), assistant("more", thinking="so", reasoning_content=None)],
    [user([{"type": "image"}, {"type": "text", "text": " What is it? "}]), assistant("A graph", reasoning_content="\nlines\n")],
]
VARIABLES = [{}, {"enable_thinking": False}, {"enable_thinking": True}, {"tools": [WEATHER]}, {"tools": [WEATHER, ADD], "bos_token": "<s>"}, {"builtin_tools": ["weather", "interpreter", "search"], "bos_token": "<s>"}]

PIECES = [
    "{{ 1 + 2 * 3 - 4 // 3 }} {{ 7 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7.5 % -2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ -2 ** 2 }}",
    "{{ [1, 'a', none, true, 1.5, (1,), (), {'k': [1]}] }}", "{{ {'a': 1, 2: 'b', none: false} }}", "{{ 'it\\'s' }} {{ ['it\\'s', 'say \"x\"', 'both \\' \"', '\\n\\t\\\\', 'é\\x07\\u200b\\xa0'] }}",
    "{{ 1e16 }} {{ 1e15 }} {{ 123456.789 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.0 }} {{ 1e100 }} {{ 100.0 / 3 }} {{ 1_000 }} {{ 5e-324 }}",
    "{{ 'abcdef'[1:4] }} {{ 'abcdef'[::-1] }} {{ 'abcdef'[-2:] }} {{ 'abcdef'[:-10] }} {{ 'äöü'[1] }} {{ [1,2,3,4][::2] }} {{ [1,2,3][5:] }} {{ [1,2,3][2:0:-1] }} {{ 'äöü'|length }}",
    "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ loop.index }}{{ k }}={{ v }}{{ ',' if not loop.last }}{% endfor %}",
    "{% for x in [] %}no{% else %}empty{% endfor %}", "{% for x in [1,2,3,4] if x is even %}{{ x }}/{{ loop.length }} {% endfor %}",
    "{% for x in 'héy' %}{{ loop.previtem is defined }}{{ x }}{{ loop.nextitem }}{{ loop.revindex }}{{ loop.first }}{% endfor %}",
    "{% set x = 1 %}{% for i in [1,2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}", "{% if true %}{% set x = 3 %}{% endif %}{{ x }}",
    "{% set ns = namespace(a=1) %}{% for i in [1,2,3] %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}", "{% set a, b = 1, 2 %}{{ b }}{{ a }}{{ a, b }}",
    "{% set t %}  text {{ 1 }} {% endset %}[{{ t }}]{% set u | trim | upper %}  x{% endset %}[{{ u }}]",
    "a\n  {% if true %}\n  b\n  {% endif %}\n c {# note #} d\n   {#- x -#}   \ne\n{%+ if true %} f{% endif +%}\ng\n", "  {{- 'x' -}}  \n y {%- if 1 -%} \n z {%- endif -%} \n", "x\r\ny\rz\n\n",
    "{% raw %} {{ not }} {% this %} {% endraw %}\nafter", "  {%- raw -%}  a {%- endraw -%}  b", "{{ 'a' ~ 1 ~ none ~ missing ~ 2.0 }}", "{{ missing }}|{{ missing is defined }}|{{ missing is none }}|{{ missing | default('d') }}|{{ '' | default('e', true) }}|{{ missing|length }}",
    "{{ 'A-b' | lower }} {{ 'straße' | upper }} {{ 'éA bC' | capitalize }} {{ '  x ' | trim }}| {{ 'xxaxx' | trim('x') }} {{ [3,1,2]|sort|join('-') }} {{ [1,2]|first }} {{ [1,2]|last }} {{ 'ab'|list }} {{ 1|string + '2' }} {{ 'aXbX'|replace('X','-') }} {{ 'aaa'|replace('a','b',2) }} {{ '12'|int + 1 }} {{ 'no'|int }} {{ -3|abs }}",
    "{{ {'b': [1, 2.0, none, true, 'é\"\\n/<>&'], 'a': {}} | tojson }} {{ {'b': [1, {}], 'a': []} | tojson(indent=2) }} {{ {'b': 1, 'a': 'é🙂'} | tojson(ensure_ascii=true, sort_keys=true) }} {{ [1,2]|tojson(separators=(',', ':')) }}",
    "{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'xyx'.strip('x') }} {{ ' x '.lstrip() }}| {{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'c')) }} {{ 'abc'.find('c') }} {{ 'abc'.replace('b', '') }} {{ '-'.join(['a','b']) }} {{ 'a\\nb\\r\\nc'.splitlines() }} {{ 'abab'.count('ab') }} {{ 'aB'.upper() }}{{ 'aB'.lower() }}{{ 'aB c'.capitalize() }}",
    "{{ {'a': 1}.get('a') }} {{ {'a': 1}.get('b') }} {{ {'a': 1}.get('b', 2) }} {{ {'a': 1}.keys()|list }} {{ {'a': 1}.values()|list }} {{ {'a': 1} | items | list }} {{ {'items': 5}['items'] }}",
    "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' < 'b' }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' in 'cat' }} {{ 'a' not in ['b'] }} {{ 'k' in {'k': 1} }} {{ [1,2] == [1,2] }} {{ (1,2) == [1,2] }} {{ none == false }}",
    "{{ 1 is number }} {{ 'x' is string }} {{ {} is mapping }} {{ [] is sequence }} {{ 'x' is iterable }} {{ 3 is odd }} {{ 4 is divisibleby 2 }} {{ 3 is in [3] }} {{ true is true }} {{ 1 is true }} {{ 2 is not none }} {{ 'a' is equalto 'a' }} {{ 5 is gt 3 }} {{ none is not defined }} {{ 1.5 is float }} {{ true is boolean }}",
    "{{ 'yes' if false }}|{{ 'a' if 0 else 'b' if '' else 'c' }}|{{ 0 or 'x' }}|{{ 1 and [] }}|{{ not 1 }}|{{ not not 'x' }}", "{{ range(3)|list }}{% for i in range(5, 0, -2) %}{{ i }}{% endfor %}",
    "{% macro hi(name, mark='!') %}Hi {{ name }}{{ mark }}{% endmacro %}{{ hi('A') }} {{ hi('B', mark='?') }} {{ hi() }}", "{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{{ [{'r': 'u', 'n': 1}, {'r': 'a', 'n': 2}] | selectattr('r', 'equalto', 'a') | map(attribute='n') | list }} {{ [1,0,2]|select|list }} {{ ['a','b']|map('upper')|join }} {{ [{'a': 1}, {}]|rejectattr('a', 'defined')|list }}",
    "{{ [3, 1, 2] | min }}{{ ['b', 'A', 'c'] | min }}{{ [3, 1, 2] | max }}{{ [] | max }}{{ '<a>' | safe }}{{ none | selectattr('a') | list }}{{ none | map('upper') | list }}{{ '' | select | list }}",
    "{{ 'a{}b{}'.format(1, 'x') }}{{ '{{}}{}'.format(none) }}{{ '|'.format() }}", "{{ '{}'.format() }}",
    "{% generation %}kept{% endgeneration %} {% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}", "{{ 'x' * 3 }}{{ [0] * 2 }}{{ [1] + [2] }}{{ (1,) + (2,) }}", "{{ \"a\" 'b' }}{{ '\\u00e9\\x41\\q\\101' }}",
    "{{ [1, 2,] }}{{ {'a': 1,} }}{{ [[1, [2]], {'a': {'b': 'c'}}] }}{{ messages[0].content[0] }}{{ messages[-1]['role'] }}{{ messages.0.role }}{{ messages[9] is defined }}{{ messages[0].nothing is defined }}", "{{ {'a': {'b': 1}}.a.b }}{{ -messages|length }}{{ 5 - -2 }}{{ +3 }}{{ 1 if messages else 2 }}",
    "{{ raise_exception('No: ' ~ 1) }}", "{{ missing.attribute }}", "{{ messages[0].nothing.deeper }}", "{{ 'a' + 1 }}", "{{ 'a' + none }}", "{{ 1 / 0 }}", "{{ [1] < 2 }}", "{{ missing() }}", "{{ missing + 'a' }}", "{% for x in 5 %}{% endfor %}", "{% for a, b in [[1,2,3]] %}{% endfor %}", "{{ missing | tojson }}", "{{ 3|length }}", "{{ ''.split('') }}", "{{ range(1000000) }}", "{% set messages.x = 1 %}",
    "{{ }}", "{% if %}{% endif %}", "{% if true %}", "{% endif %}", "{{ 'open }}", "{{ (1 }}", "{% nonsense %}", "{# open", "{{ 1 2 }}", "{% for x %}{% endfor %}", "{% set = 1 %}", "{{ a.b. }}", "{% for %}", "{{ x | }}", "{{ {1, 2} }}", "{{ 'a' is }}",
]


def render(source, messages, prompt, variables):
    try:
        texts, _ = chat_template_utils.render_jinja_template([messages], chat_template=source, add_generation_prompt=prompt, **variables)
        return {"text": texts[0]}
    except jinja2.exceptions.TemplateSyntaxError:
        return {"error": "malformed"}
    except Exception:
        return {"error": "invalid_argument"}


def over_conversations(name, source):
    cases = []
    for i, messages in enumerate(CONVERSATIONS):
        for j, variables in enumerate(VARIABLES):
            if (i + j) % 3 and len(sys.argv) == 1 and i > 2: continue
            for prompt in ([True, False] if j < 2 else [True]):
                cases.append({"template": name, "messages": i, "variables": j, "add_generation_prompt": prompt, **render(source, messages, prompt, variables)})
    return cases


def main():
    paths = [pathlib.Path(p) for p in sys.argv[1:]] or sorted((HERE / "templates").glob("*.jinja"))
    cases = [case for path in paths for case in over_conversations(str(path) if sys.argv[1:] else path.name, path.read_text())]
    pieces = [{"source": p, **render(p, CONVERSATIONS[2], True, {})} for p in PIECES]
    out = json.dumps({"conversations": CONVERSATIONS, "variables": VARIABLES, "cases": cases, "pieces": pieces}, ensure_ascii=False, indent=1)
    if sys.argv[1:]: print(out)
    else: (HERE / "template_oracles.json").write_text(out + "\n")


main()
