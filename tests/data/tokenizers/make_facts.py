"""Token ids of transformers' tokenizers where a fact stands in a second file: written to facts.json.

    pip install transformers sentencepiece protobuf; python3 tests/data/tokenizers/make_facts.py

Each case alters the tokenizers of tests/golden/pipelines/flux_dev: `files` replaces files (null hides one; an object
under "tokenizer_config.json+" or "tokenizer.json+" is laid over that file's object).
"""
import json, os, shutil, tempfile
import transformers
from transformers import CLIPTokenizer, T5Tokenizer

transformers.logging.set_verbosity_error()
HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = f"{HERE}/../../golden/pipelines/flux_dev/model"
KINDS = {"clip": (CLIPTokenizer, "tokenizer"), "t5": (T5Tokenizer, "tokenizer_2")}
ROW = 12
TEXTS = ["a <fox> on", "b <Fox><FOX>", "cat's <fox>, concat <fox>s", "wow ! <pad>", "<|STARTOFTEXT|> x", "<extra_id_7>  </s><unk> y", "one two three four five six seven eight"]


def token(content, **rules):
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": False, **rules}


def typed(content, **rules):
    return {**token(content, **rules), "__type": "AddedToken"}


SLOW = {"tokenizer.json": None}
FAST = {"vocab.json": None, "merges.txt": None, "spiece.model": None}
NO_LIST = {"extra_special_tokens": None, "additional_special_tokens": None}  # null: key taken out
CASES = {
    "clip": {
        "vocab.json with merges.txt": SLOW,
        "tokenizer.json alone": FAST,
        "no tokenizer_config.json": {**SLOW, "tokenizer_config.json": None},
        "added_tokens.json": {**SLOW, "added_tokens.json": {"<fox>": 1214}},
        "added_tokens.json beside tokenizer.json": {"added_tokens.json": {"<fox>": 1214, "cat": 1215}},
        "added_tokens.json with a gap": {**SLOW, "added_tokens.json": {"<fox>": 1300, "wow": 1220}},
        "added_tokens.json with a token that the vocabulary has": {**SLOW, "added_tokens.json": {"!": 1214}},
        "added_tokens_decoder": {**SLOW, "tokenizer_config.json+": {"added_tokens_decoder": {"1214": token("<fox>", normalized=True)}}},
        "added_tokens_decoder, not normalized": {**SLOW, "tokenizer_config.json+": {"added_tokens_decoder": {"1214": token("<fox>")}}},
        "added_tokens_decoder with content alone": {**SLOW, "tokenizer_config.json+": {"added_tokens_decoder": {"1214": {"content": "<fox>"}}}},
        "added_tokens_decoder before added_tokens.json": {**SLOW, "tokenizer_config.json+": {"added_tokens_decoder": {"1214": token("<fox>")}}, "added_tokens.json": {"cat": 1214}},
        "added_tokens_decoder with single_word": {**SLOW, "tokenizer_config.json+": {"added_tokens_decoder": {"1214": token("cat", single_word=True), "1215": token("<fox>", single_word=True)}}},
        "added_tokens_decoder with start in any case": {**SLOW, "tokenizer_config.json+": {"added_tokens_decoder": {"1212": token("<|startoftext|>", normalized=True, special=True)}}},
        "added_tokens of tokenizer.json": {**FAST, "tokenizer.json+": {"added_tokens": [{"id": 1214, **token("<fox>", lstrip=True, rstrip=True)}]}},
        "special_tokens_map.json over tokenizer_config.json": {**SLOW, "special_tokens_map.json": {"pad_token": "!"}},
        "special_tokens_map.json with a new padding token": {**SLOW, "special_tokens_map.json": {"pad_token": {"content": "<pad>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False}}},
        "special_tokens_map.json beside added_tokens_decoder": {**SLOW, "special_tokens_map.json": {"pad_token": "!"}, "tokenizer_config.json+": {"added_tokens_decoder": {"1214": token("<fox>")}}},
        "special_tokens_map.json with further tokens": {**SLOW, "special_tokens_map.json": {"additional_special_tokens": ["<fox>"]}},
        "additional_special_tokens": {**SLOW, "tokenizer_config.json+": {"additional_special_tokens": ["<fox>", typed("cat", lstrip=True, normalized=True)]}},
        "extra_special_tokens": {**SLOW, "tokenizer_config.json+": {"extra_special_tokens": ["<fox>"], "additional_special_tokens": ["cat"]}},
        "extra_special_tokens by name": {**SLOW, "tokenizer_config.json+": {"extra_special_tokens": {"toy_token": "<fox>"}}},
        "a token under a name of its own": {**SLOW, "tokenizer_config.json+": {"image_token": "<fox>"}},
        "pad_token as an object": {**SLOW, "tokenizer_config.json+": {"pad_token": typed("!", normalized=True)}},
        "eos_token that is an ordinary word": {**SLOW, "tokenizer_config.json+": {"eos_token": "the</w>"}},
        "model_max_length": {**SLOW, "tokenizer_config.json+": {"model_max_length": 9}},
        "max_len": {**SLOW, "tokenizer_config.json+": {"model_max_length": None, "max_len": 9}},
        "padding_side": {**SLOW, "tokenizer_config.json+": {"padding_side": "left"}},
        "truncation_side": {**SLOW, "tokenizer_config.json+": {"truncation_side": "left"}},
        "padding and truncation of tokenizer.json": {"tokenizer.json+": {"truncation": {"direction": "Left", "max_length": 9, "strategy": "LongestFirst", "stride": 0}, "padding": {"strategy": {"Fixed": 12}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "!"}}},
        "split_special_tokens": {**SLOW, "tokenizer_config.json+": {"split_special_tokens": True, "additional_special_tokens": ["<fox>"]}},
        "what CLIP's tokenizer has no use for": {**SLOW, "tokenizer_config.json+": {"do_lower_case": False, "add_bos_token": False, "add_eos_token": False, "add_prefix_space": True, "clean_up_tokenization_spaces": False, "errors": "strict", "chat_template": "x"}},
        "fast_tokenizer_files": {"tokenizer.json": None, "vocab.json": None, "tokenizer_config.json+": {"fast_tokenizer_files": ["tokenizer.9.0.0.json", "tokenizer.4.0.0.json", "tokenizer.json"]}, "tokenizer.4.0.0.json=tokenizer.json": None},
    },
    "t5": {
        "tokenizer.json": {},
        "spiece.model": SLOW,
        "tokenizer.json alone": {**FAST, "tokenizer_config.json": None},
        "spiece.model alone": {**SLOW, "tokenizer_config.json": None},
        "tokenizer.model alone": {**SLOW, "spiece.model": None, "tokenizer_config.json": None, "tokenizer.model=spiece.model": None},
        "added_tokens.json": {**SLOW, "added_tokens.json": {"<fox>": 1100}, "tokenizer_config.json+": NO_LIST},
        "added_tokens_decoder": {"tokenizer_config.json+": {"added_tokens_decoder": {"1100": token("<fox>", lstrip=True, rstrip=True)}}},
        "five sentinels": {**SLOW, "tokenizer_config.json+": {**NO_LIST, "extra_ids": 5}},
        "no sentinels": {**SLOW, "tokenizer_config.json+": {**NO_LIST, "extra_ids": 0}},
        "fewer sentinels than tokenizer.json has": {"tokenizer_config.json+": {**NO_LIST, "extra_ids": 0}},
        "more sentinels than tokenizer.json has": {"tokenizer_config.json+": {**NO_LIST, "extra_ids": 150}},
        "further tokens in place of sentinels": {**SLOW, "tokenizer_config.json+": {**NO_LIST, "additional_special_tokens": ["<fox>"]}},
        "further tokens of special_tokens_map.json": {"tokenizer_config.json+": NO_LIST, "special_tokens_map.json": {"additional_special_tokens": ["<fox>"]}},
        "another padding token": {"tokenizer_config.json+": {"pad_token": "</s>"}},
        "a new end token": {"tokenizer_config.json+": {"eos_token": "<e>"}},
        "what T5's tokenizer has no use for": {**SLOW, "tokenizer_config.json+": {"legacy": False, "add_prefix_space": False, "add_eos_token": False, "sp_model_kwargs": {"enable_sampling": True}, "do_lower_case": True}},
    },
}


def folder(base, files):
    at = tempfile.mkdtemp()
    for name in os.listdir(base):
        shutil.copyfile(f"{base}/{name}", f"{at}/{name}")
    for name, content in files.items():
        if "=" in name:
            shutil.copyfile(f"{base}/{name.split('=')[1]}", f"{at}/{name.split('=')[0]}")
            continue
        path = f"{at}/{name.rstrip('+')}"
        if name.endswith("+"):
            over = {**json.load(open(path)), **content}
            content = {k: v for k, v in over.items() if not (k in content and content[k] is None)}
        if content is None:
            os.path.exists(path) and os.remove(path)
        else:
            json.dump(content, open(path, "w"))
    return at


out = []
for kind, cases in CASES.items():
    cls, base = KINDS[kind]
    for name, files in cases.items():
        t = cls.from_pretrained(folder(f"{MODEL}/{base}", files))
        limit = t.model_max_length if t.model_max_length < 1e6 else None
        ids = [t(x, truncation=False, padding=False).input_ids for x in TEXTS]
        rows = [t(x, padding="max_length", max_length=ROW, truncation=True).input_ids for x in (TEXTS[0], TEXTS[-1])]
        out.append({"kind": kind, "name": name, "files": files, "maxLength": limit, "ids": ids, "rows": rows})
with open(f"{HERE}/facts.json", "w") as f:
    f.write(json.dumps({"transformers": transformers.__version__, "texts": TEXTS, "row": ROW}, ensure_ascii=False)[:-1] + ', "cases": [\n')
    f.write(",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in out) + "\n]}\n")
print(len(out), "cases,", os.path.getsize(f"{HERE}/facts.json"), "bytes")
