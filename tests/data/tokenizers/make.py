"""Token ids of transformers' tokenizers with the real vocabularies of CLIP and T5, for weights/tokenizers.

    pip download --no-deps diffsynth==1.1.7; unzip diffsynth*.whl 'diffsynth/tokenizer_configs/*'
    pip install transformers sentencepiece protobuf
    python3 tests/data/tokenizers/make.py diffsynth/tokenizer_configs [ALL.json]

Writes tests/data/tokenizers/tokens.json, a sample of the strings below; ALL.json gets every string.
"""
import json, os, random, sys, unicodedata
import transformers
from transformers import CLIPTokenizer, T5Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDERS = {
    "clip_l": (CLIPTokenizer, "flux/tokenizer_1"),
    "clip_g": (CLIPTokenizer, "stable_diffusion_3/tokenizer_2"),
    "t5": (T5Tokenizer, "flux/tokenizer_2"),
}
SAMPLE = 290
random.seed(18)
pick = random.choice

NOUNS = "fox cat castle astronaut teapot mountain café naïve señor skyscraper dragonfly mushroom lighthouse samurai T-rex".split()
ADJECTIVES = "red tiny photorealistic 8k hyper-detailed cinematic Victorian neon-lit moody ultra-wide bokeh watercolour isometric".split()
TAILS = ["trending on artstation", "f/1.8, 85mm", "by Alphonse Mucha", "(masterpiece:1.3)", "--ar 16:9", "[[blurry]]", "don't they've I'm it's we'll you'd CAN'T IT'S",
         "#hashtag @user https://example.org/a?b=c&d=e", "&amp; &lt;b&gt; &quot;", "100% of 3.14159e-10", "1st 2nd 3rd 1,234,567.89", "C++/C#/F#", "$5.00 €7 £8 ¥9", "...!?!?", "“quotes” ‘single’ «guillemets» —dash– …"]
SCRIPTS = {  # words of many languages
    "en": "the quick brown fox jumps over the lazy dog", "de": "Übergrößenträger Straße Füße süß größer", "fr": "l'été déjà vu œuvre naïf garçon", "pl": "zażółć gęślą jaźń", "cs": "příliš žluťoučký kůň",
    "ru": "рыжая лисица в снегу Ёлка", "uk": "їжак і ґава", "el": "κόκκινη αλεπού στο χιόνι ΟΔΟΣ ὀδυσσεύς", "tr": "İstanbul ışık ığdır I i", "vi": "con cáo đỏ trong tuyết Việt Nam",
    "zh": "雪中的红狐狸 漢字簡體", "ja": "雪の中の赤い狐 カタカナ ﾊﾝｶｸ ひらがな", "ko": "눈 속의 붉은 여우 한글", "ar": "ثعلب أحمر في الثلج ١٢٣", "fa": "روباه قرمز ۱۲۳", "he": "שועל אדום בשלג שָׁלוֹם", "hi": "बर्फ में लाल लोमड़ी १२३ क्षत्रिय",
    "bn": "তুষারে লাল শিয়াল", "ta": "பனியில் சிவப்பு நரி", "te": "మంచులో ఎర్ర నక్క", "th": "สุนัขจิ้งจอกแดงในหิมะ ๑๒๓", "lo": "ໝາຈອກແດງ", "my": "မြေခွေးနီ", "km": "កញ្ជ្រោងក្រហម", "ka": "წითელი მელა ᲬᲘᲗᲔᲚᲘ", "hy": "կարմիր աղվես և", "am": "ቀይ ቀበሮ",
    "si": "රතු නරියා", "bo": "ཝ་དམར་པོ", "mn": "ᠤᠯᠠᠭᠠᠨ", "chr": "ᏣᎳᎩ ꭰꭱ", "deseret": "𐐔𐐯𐑅𐐨𐑉𐐯𐐻", "gothic": "𐌲𐌿𐍄𐌹𐍃𐌺", "ipa": "ˈfɒks ɪn ðə snəʊ", "math": "𝔣𝔬𝔵 𝒻ℴ𝓍 𝟙𝟚𝟛 ∑∫√∞≠≤", "fullwidth": "ＦＯＸ　ｆｏｘ １２３", "ligature": "ﬁﬂﬀﬃ ﬆ ǆ Ǆ ĳ", "roman": "Ⅷ ⅷ ½ ¾ ① ㊿ ㍿ ™ ℃ ㎏",
}
EMOJI = "🦊 👩‍🚀 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇯🇵 👍🏽 ❤️ ☺ ☺️ 1️⃣ #️⃣ 🫠 🥹 🐦‍⬛ ©️ ⚠︎".split()
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\v", "\f", "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u180e", "\u2000", "\u2003", "\u2009", "\u200b", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff", "\u2060"]
CONTROLS = [chr(c) for c in [*range(0x00, 0x20), *range(0x7f, 0xa0)]] + ["\u200c", "\u200d", "\u200e", "\u200f", "\u202e", "\u2066", "\u00ad", "\ufffc", "\ufffd", "\ufffe", "\uffff", "\ue000", "\U000f0000", "\U0010ffff", "\U000e0067", "\u034f", "\u115f", "\u2061"]
SPECIAL = ["<|startoftext|>", "<|endoftext|>", "<|STARTOFTEXT|>", "<|EndOfText|>", "<|endoftext|", "<pad>", "</s>", "<unk>", "<s>", "<extra_id_0>", "<extra_id_99>", "<extra_id_100>", "<EXTRA_ID_1>", "</w>", "!", "!!", "! !", "▁", "▁▁fox", "_", "<0x41>", "<|", "|>", "[PAD]", "<mask>"]
MARKS = [chr(c) for c in [0x300, 0x301, 0x308, 0x327, 0x323, 0x20e3, 0x345, 0x5b0, 0x64b, 0x93c, 0xe31, 0x3099, 0x309a, 0xfe0f, 0x1d165]]


def strings():
    out = ["", " ", "a", "A", "!", "fox", " fox ", "  a  red   fox  "]
    words = [w for s in SCRIPTS.values() for w in s.split()]
    for s in SCRIPTS.values():
        out += [s, s.upper(), s.lower(), s.title(), unicodedata.normalize("NFD", s), unicodedata.normalize("NFKD", s), s.replace(" ", "")]
    for space in SPACES:
        out += [space, f"a{space}b", f"{space}fox", f"fox{space}", f"{space}{space} fox{space}, dog", f"<extra_id_0>{space}b", f"a{space}<|endoftext|>{space}b", f"a{space}</s>{space}b"]
    for c in CONTROLS:
        out += [c, f"a{c}b", f"a {c} b", f"{c}fox"]
    for t in SPECIAL:
        out += [t, f"a {t} b", f"a{t}b", t + t, f" {t} ", t.upper(), f"{t}fox", f"fox{t}", f"{t}, {pick(words)}"]
    for e in EMOJI:
        out += [e, f"a {e} b", f"fox{e}{e}", e * 5, e + pick(EMOJI)]
    for s in ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'T", "'RE", "'LL", "’s", "''s", "'", "'x", "s'", "'ſ", "'K"]:
        out += [s, f"it{s}", f"it {s}", f"it{s}n't", f"{s}{s}", f"IT{s}1"]
    out += ["a" * n for n in (5, 63, 64, 65, 100, 1000)] + ["ab" * 500, "supercalifragilisticexpialidocious" * 7, "🦊" * 90, "é" * 70, "e\u0301" * 70, "漢" * 90, "1" * 90, "-" * 90, "!" * 90, "=-" * 40, "a\u0300" + "\u0301" * 40, "0123456789" * 5]
    # All of Unicode in little pieces: with letters beside them and alone.
    for start in [*range(0, 0x3400, 8), *range(0x4d80, 0x4e20, 8), *range(0xa000, 0xac00, 8), *range(0xd700, 0xd800, 8), *range(0xf900, 0x10000, 8), *range(0x10000, 0x12600, 16), *range(0x16800, 0x17000, 16), *range(0x1b000, 0x1b300, 16), *range(0x1d000, 0x1fb00, 8), *range(0xe0000, 0xe0200, 32), *range(0x2f800, 0x2fa20, 16)]:
        block = [chr(c) for c in range(start, start + 8) if not 0xd800 <= c < 0xe000]
        if any(unicodedata.category(c) != "Cn" for c in block):
            out.append("".join(block)); out.append(" ".join("a" + c + "b" for c in block[:4]))
    while len(out) < 10400:  # prompts
        parts = [f"a {pick(ADJECTIVES)} {pick(NOUNS)}"] + [pick([lambda: pick(TAILS), lambda: pick(words), lambda: pick(list(SCRIPTS.values())), lambda: pick(EMOJI), lambda: f"{pick(ADJECTIVES)} {pick(NOUNS)}s", lambda: str(random.randint(0, 10 ** random.randint(1, 9)))])() for _ in range(random.randint(1, 7))]
        text = pick([", ", " ", ",", ". ", "; "]).join(parts)
        out.append(pick([str, str, str, str.upper, str.title, str.lower])(text))
    while len(out) < 13000:  # soups
        soup = [lambda: pick(words), lambda: pick(SPACES), lambda: pick(CONTROLS), lambda: pick(SPECIAL), lambda: pick(EMOJI), lambda: pick(MARKS), lambda: pick("aAeéßİſK0189.,'!?<>|/\\-_@#"), lambda: chr(random.choice([random.randint(0x20, 0x24f), random.randint(0x250, 0xd7ff), random.randint(0xf900, 0xffef), random.randint(0x1f300, 0x1faff)]))]
        out.append("".join(pick(soup)() for _ in range(random.randint(2, 14))))
    return list(dict.fromkeys(out))


def main(configs, everything=None):
    tokenizers = {kind: cls.from_pretrained(f"{configs}/{folder}") for kind, (cls, folder) in FOLDERS.items()}
    rows = []
    for text in strings():
        row = {"text": text}
        for kind, tokenizer in tokenizers.items():
            ids = tokenizer(text).input_ids
            assert ids[-1] == tokenizer.eos_token_id
            row[kind] = ids
        rows.append(row)
    print(len(rows), "strings, transformers", transformers.__version__)
    if everything:
        json.dump(rows, open(everything, "w"), ensure_ascii=True)
    short = [row for row in rows if len(row["text"]) <= 60]
    sample = short[:8] + random.sample(short[8:], SAMPLE) + [{**row} for row in rows if row["text"] in ("🦊" * 90, "漢" * 90, "a" * 100)]
    for row in sample:  # clip_g is clip_l with "!" a token of its own
        if row["clip_g"] == row["clip_l"]:
            del row["clip_g"]
    with open(f"{HERE}/tokens.json", "w") as f:
        f.write('{"transformers": "%s", "strings": [\n' % transformers.__version__)
        f.write(",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in sample) + "\n]}\n")
    print(os.path.getsize(f"{HERE}/tokens.json"), "bytes")


main(*sys.argv[1:])
