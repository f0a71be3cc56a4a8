"""Texts that tokenizers get wrong. A text is str, or bytes where it is not UTF-8."""

TRAINING = [
    "The graph of devices says where the layers go, and the plan is carried out on each of them.",
    "the the the then there this that with word words wording under over device devices placement place places",
    "I'm, you're, he's, we've, they'll, she'd, don't; I'M, YOU'RE, HE'S, WE'VE, THEY'LL, SHE'D, DON'T",
    "2023 2024 100 1000 3.14159 0x1F 12345 67890 1,000,000", "for (int i = 0; i < n; ++i) {\n    sum += a[i];\n}\n\treturn sum;\n\n",
    "def place(units, group):\n    return [u for u in units if u.bytes <= group.capacity]\n", "caf\u00e9 na\u00efve r\u00e9sum\u00e9 \u00fcber stra\u00dfe cafe\u0301",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u4f60\u597d\u5417\uff1f\u6211\u5f88\u597d\u3002", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u041f\u0440\u0438\u0432\u0435\u0442!", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645",
    "\u3053\u3093\u306b\u3061\u306f\u4e16\u754c", "\U0001f600\U0001f600\U0001f44d\U0001f3fd", "http://example.org/a/b?c=d&e=f#g", "finish final fin caf\u00e9",
] * 3

BASE = [
    "", " ", "  ", "a", " a", "a ", "\n", "\n\n", "\t", "\r\n", "\r", "\x00", "a\x00b", "\x7f", "\x0b\x0c\x1c\x1d\x1e\x1f", "\x85", "a\x85b",
    "Hello, world!", "The capital of France is Paris.", "the devices of the graph", "word", "a word here", "wording", "sword word words word.", "_word", "word_",
    "I'm you're he's we've they'll she'd don't", "I'M YOU'RE HE'S WE'VE THEY'LL SHE'D DON'T", "'s't're've'm'll'd", "'S'T'RE'VE'M'LL'D", "'\u017f '\u017fa it'\u017f", "\u2019s it\u2019s", "o'clock 'tis ''s",
    "1", "12", "123", "1234", "12345678901234567890", "3.14159", "1,000,000.50", "a1b2c3", "1a 2b", "x\u00b2 + y\u00b3", "\u00bd \u00be \u2153", "\u2160\u2161\u2162", "\u0661\u0662\u0663", "\u4e00\u4e8c\u4e09", "\u0967\u0968\u0969", "\U0001d7d8\U0001d7d9", "\u2460\u2461\u24ff", "0x1F 1e-5",
    "   leading", "trailing   ", "in   between   words", "    four\n        eight\n", "\t\ttabs\tand spaces \t mixed", "a\n\n\nb", "a \n b \n\n c", " \n \n ", "\n \n\t\n", "a\r\nb\r\n\r\nc", "a\rb", "\n\r\n\r", "  \r\n  x", "!!!\n\n", "...\r\n  y", "\u3000\u3000ideographic\u3000space", "a\u00a0b\u00a0\u00a0c", "a\u2028b\u2029c", "a\u2003\u2003b", "\u180e mongolian\u180ex", "a\u200bb", "\u200b\u200b", "a\u200cb\u200dc", "\ufeffbom", "a\u2060b", "soft\u00adhyphen", "a\u1680b\u202fc\u205fd", "  \u00a0 x",
    "caf\u00e9", "cafe\u0301", "e\u0301e\u0301", "\u00c5 \u212b A\u030a", "\u1e9b\u0323", "q\u0307\u0323", "q\u0323\u0307", "\u0344", "\u0958 \u0915\u093c", "\ufb01n \ufb01nal fin final", "\uac00\u1100\u1161\u11a8", "\u1112\u1161\u11ab\u1100\u1173\u11af", "\u0301alone", " \u0301", "a\u0300\u0301\u0302\u0303\u0304", "\u2126 \u03a9", "\uf900 \u8c48", "\u0f73 \u0f71\u0f72", "Z\u0351\u036b\u0343a\u0348l\u0321go\u0355", "na\u00efve nai\u0308ve", "\u1e69 s\u0323\u0307 s\u0307\u0323", "\u00bc\u2122\u2167", "\uff21\uff22\uff23\uff11\uff12",
    "\U0001f600", "\U0001f600\U0001f601 \U0001f602", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f44d\U0001f3fd", "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", "\u2764\ufe0f", "1\ufe0f\u20e3", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "text\U0001f680text", "\U0001f9d1\U0001f3fb\u200d\U0001f680", "\U0001fae8", "\U0001f3f3\ufe0f\u200d\U0001f308!",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002", "\u4f60\u597d world \u4e16\u754c", "\u3053\u3093\u306b\u3061\u306f", "\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4", "\U00020000\U0002a6d6", "\u3400\u9fff", "\u30ab\u3099 \u30ac", "\uff8a\uff9f", "\u300c\u5f15\u7528\u300d\uff1a\u300a\u66f8\u300b",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u200f\u202eright\u202c", "\u0628\u0650\u0633\u0652\u0645\u0650", "\u0641\u0627\u0631\u0633\u06cc \u06f1\u06f2\u06f3", "abc \u0627\u0628\u062c 123 \u05d0\u05d1\u05d2",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", "\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac \u03ac\u03ad\u03ae", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01", "\u1019\u103c\u1014\u103a\u1019\u102c", "\u12a0\u121b\u122d\u129b", "\u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8", "\u0130stanbul \u0131\u015f\u0131k", "stra\u00dfe STRASSE \u1e9e", "\u01c5 \u01c4 \u01c6", "\u02b0\u02b1 \u1d43", "\u00aa \u00ba", "\U0001d400\U0001d401\U0001d402", "\u16a0\u16a2\u16a6", "\U00010330\U00010331",
    "<|endoftext|>", "<|im_start|>user\nHi<|im_end|>\n", "a<|im_end|>b", " <|im_end|> ", "<|im_end|><|im_end|>", "<|im_en", "<|im_end|", "<<|im_end|>>", "<|IM_END|>", "<|im_start|><|im_start", "<tool_call>{\"a\": 1}</tool_call>", "<think>\n\n</think>\n\nyes", "<think", "</think></think>", "<|begin_of_text|>hi<|eot_id|>", "<|start_header_id|>", "x  <l>  y", "x  <r>  y", "x \n<lr>\t y", "<l><r> z", "  <l>  <l>  <r>  <r>  ", "<r> <l>", "\u00e9<|im_end|>\u0301", "e<|im_end|>\u0301", "Im_ im_ Im_a", "caf\u00e9 cafe\u0301 caf\u00e9s", "\ufb01nd fin\u0064 fi n", "word,word word-word \u00e9word word\u00e9 word\u0301 \u4f60word", "~tilde~~x~", "a,b,,c, d ,e", "#tag @name ##x a#", "<repo_name>x<file_sep>y<reponame>", "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>", "<|vision_start|><|image_pad|><|vision_end|>",
    "for (int i = 0; i < n; ++i) {\n    sum += a[i];\n}\n", "def f(x):\n\treturn x**2  # square\n", "SELECT * FROM t WHERE a='b';", "{\"key\": [1, 2.5, null, true]}", "<html><body class=\"x\">&nbsp;</body></html>", "C:\\Users\\x\\n", "https://example.org/a/b?c=d&e=f#g", "user@example.org", "$100 \u20ac50 \u00a3 \u00a5", "a+b=c; x!=y && z||w", "\\n \\t \\\\", "--flag=value -x", "``` code ```", "#include <vector>\n", "CamelCase snake_case kebab-case SCREAMING", "e.g. i.e. etc...", "!@#$%^&*()_+-=[]{}|;':\",./<>?", "\u201cquoted\u201d \u2018single\u2019 \u2014 dash \u2013 en \u2026", "\u2200x\u2208\u211d: x\u00b2\u22650", "\u2190\u2191\u2192\u2193 \u25a0\u25a1", "H\u2082O CO\u2082", "\ufffd \uffff \ufffe", "\U0010ffff", "\ue000\uf8ff", "\u0378 unassigned", "Mr. O'Neil's 3rd book's",
    b"\xff", b"\xfe\xff", b"abc\x80def", b"\xc3", b"\xc3(", b"caf\xe9", b"\xe2\x82", b"\xe2\x82\xac\xe2\x82", b"\xf0\x9f\x98", b"\xf0\x9f\x98\x80\xf0\x9f", b"\xed\xa0\x80", b"\xed\xa0\xbd\xed\xb8\x80", b"\xc0\x80", b"\xe0\x80\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"a\xf1\x80\x80b", b"\x80\x80\x80", b"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", b"ok\xff<|im_end|>\xc3\x28",
]


def strings():
    long = [" " * 300, "\n" * 120 + "x", "\t " * 90, "a" * 400, "ab" * 300, "the " * 200, "1" * 150, "\u4f60" * 120, "\U0001f600" * 60, "!" * 200,
            "\u0301" * 80, " " * 200 + "x", " \n" * 80 + " y", "'s" * 60, "e\u0301" * 100, "<|im_end|>" * 30, "x<l> " * 40]
    return BASE + [" ".join(t for t in BASE[i::16] if isinstance(t, str)) for i in range(16)] + long


def as_text(s):
    return s.decode("utf-8", errors="replace") if isinstance(s, bytes) else s


def stored(s):
    return {"hex": s.hex()} if isinstance(s, bytes) else s
