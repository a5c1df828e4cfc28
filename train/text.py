"""Small tokenizers of the real kinds, and small text encoders: CLIP for the pooled vector, T5 for the states.

CLIP: byte-pair encoding with `</w>` word ends (vocab.json, merges.txt, tokenizer.json). T5: a sentencepiece unigram model (spiece.model,
tokenizer.json) that lowers letters by its own character map. Both are made of captions of train/data.py; every word of a noun's names is
one piece. `LSSGEN_RUNS/folder` is the diffusers folder in the making.
"""
import collections, json, math, os, random, re, sys
import torch
import data, loop, nouns

LENGTH = 32  # T5 tokens: the longest caption has about 28
FOLDER = f"{data.RUNS}/folder"


def words_of_nouns():
    """Every word of a name and of its plural, keywords too."""
    out = collections.Counter()
    for r in nouns.catalogue():
        for n in r["names"]:
            out.update(f"{n} {nouns.plural(n)}".split())
        out.update(r["keywords"])
    return out


def corpus(count=40000):
    s = data.Scenes(5)
    lines = [s.caption(s.spec()).lower() for _ in range(2000 if loop.SMOKE else count)]
    return lines + [n for r in s.rows for n in r["names"] + [nouns.plural(n) for n in r["names"]] + r["keywords"]] * 3


def bytes_to_unicode():
    """GPT-2's printable stand-ins for the 256 bytes."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, extra = {b: chr(b) for b in keep}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return table


def write_clip(folder, lines, merges_wanted=3400):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import CLIPTokenizer
    os.makedirs(folder, exist_ok=True)
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    bpe.pre_tokenizer = pre_tokenizers.Whitespace()
    bpe.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=merges_wanted + 140, end_of_word_suffix="</w>", show_progress=False, special_tokens=[]))
    merges = [tuple(m) for m in json.loads(bpe.to_str())["model"]["merges"]]
    letters = list(bytes_to_unicode().values())
    vocab = list(dict.fromkeys(letters + [c + "</w>" for c in letters] + ["".join(m) for m in merges])) + ["<|startoftext|>", "<|endoftext|>"]
    json.dump({t: i for i, t in enumerate(vocab)}, open(f"{folder}/vocab.json", "w"), ensure_ascii=False)
    with open(f"{folder}/merges.txt", "w") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    tok = CLIPTokenizer(f"{folder}/vocab.json", f"{folder}/merges.txt", model_max_length=77)
    tok.save_pretrained(folder)
    # save_pretrained writes tokenizer.json alone in some versions: the three files together are what every reader finds.
    json.dump({t: i for i, t in enumerate(vocab)}, open(f"{folder}/vocab.json", "w"), ensure_ascii=False)
    return tok


def write_t5(folder, lines):
    import sentencepiece as spm
    from sentencepiece import sentencepiece_model_pb2 as pb
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, decoders, processors, AddedToken
    os.makedirs(folder, exist_ok=True)
    text = f"{data.RUNS}/captions.txt"
    ascii_letters = " ".join(chr(c) for c in range(33, 127))
    open(text, "w").write("\n".join(lines[:20000] + [ascii_letters] * 3))
    # A character map of our own: capitals and typographic marks become what captions are made of.
    rules = {ord("A") + i: chr(ord("a") + i) for i in range(26)}
    rules.update({0x2019: "'", 0x2018: "'", 0x201C: '"', 0x201D: '"', 0x2013: "-", 0x2014: "-", 0xE9: "e", 0xF1: "n", 0xA0: " "})
    with open(f"{data.RUNS}/lower.tsv", "w") as f:
        f.write("".join(f"{k:X}\t{' '.join(f'{ord(c):X}' for c in v)}\n" for k, v in sorted(rules.items())))
    spm.SentencePieceTrainer.train(
        input=text, model_prefix=f"{data.RUNS}/spiece", vocab_size=900, model_type="unigram",
        normalization_rule_tsv=f"{data.RUNS}/lower.tsv", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>",
        character_coverage=1.0, hard_vocab_limit=False, minloglevel=2)
    model = pb.ModelProto.FromString(open(f"{data.RUNS}/spiece.model", "rb").read())
    # The trainer splits even frequent words of so small a corpus; give every word a piece of its own.
    words = collections.Counter(w for line in lines for w in re.sub(r"([,.!&])", r" \1", line).split())
    total = sum(words.values())
    sure = words_of_nouns()
    scores = {"▁" + w: math.log(max(n, 1) / total) for w, n in words.items() if n >= 20 or w in sure}
    del model.pieces[3:]
    letters = ["▁"] + [chr(c) for c in range(33, 127) if not "A" <= chr(c) <= "Z"]
    # Letters cost so much that a known word is never spelt.
    for piece, score in sorted(scores.items(), key=lambda x: (-x[1], x[0])) + [(c, -20.0) for c in letters if c not in scores]:
        model.pieces.append(pb.ModelProto.SentencePiece(piece=piece, score=score))
    model.trainer_spec.vocab_size = len(model.pieces)
    open(f"{folder}/spiece.model", "wb").write(model.SerializeToString())
    sp = spm.SentencePieceProcessor(f"{folder}/spiece.model")
    vocab = [(sp.id_to_piece(i), sp.get_score(i)) for i in range(sp.get_piece_size())]
    tok = Tokenizer(models.Unigram(vocab, unk_id=2, byte_fallback=False))
    tok.normalizer = normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap)
    space = dict(replacement="▁", prepend_scheme="always")
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(**space)])
    tok.decoder = decoders.Metaspace(**space)
    tok.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<pad>", "</s>", "<unk>")])
    tok.save(f"{folder}/tokenizer.json")
    json.dump({"tokenizer_class": "T5Tokenizer", "model_max_length": LENGTH, "pad_token": "<pad>", "eos_token": "</s>",
               "unk_token": "<unk>", "extra_ids": 0}, open(f"{folder}/tokenizer_config.json", "w"), indent=1)
    return tok


class Tokens:
    """Captions to ids, as the engine makes them: CLIP padded to 77 → cut to the longest needed, T5 padded to LENGTH."""

    def __init__(self, folder):
        from tokenizers import Tokenizer
        self.clip = Tokenizer.from_file(f"{folder}/tokenizer/tokenizer.json")
        self.t5 = Tokenizer.from_file(f"{folder}/tokenizer_2/tokenizer.json")
        self.eos = self.clip.token_to_id("<|endoftext|>")

    def __call__(self, captions):
        clip = [e.ids for e in self.clip.encode_batch(captions)]
        # Everything after the first end-of-text is invisible to causal attention: a short pad gives the same vector.
        n = max(map(len, clip))
        clip = torch.tensor([c + [self.eos] * (n - len(c)) for c in clip])
        t5 = torch.tensor([(e.ids[:LENGTH - 1] + [1] if len(e.ids) > LENGTH else e.ids + [0] * (LENGTH - len(e.ids)))
                           for e in self.t5.encode_batch(captions)])
        return clip, t5


def encoders(folder):
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel
    vocab = json.load(open(f"{folder}/tokenizer/vocab.json"))
    eos, bos = vocab["<|endoftext|>"], vocab["<|startoftext|>"]
    # Attention written out: the fused kernel's backward on a processor takes a third of a step at these sizes.
    clip = CLIPTextModel(CLIPTextConfig(attn_implementation="eager", vocab_size=len(vocab), hidden_size=128, intermediate_size=512, projection_dim=128,
                                        num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=77,
                                        hidden_act="quick_gelu", bos_token_id=bos, eos_token_id=eos, pad_token_id=eos))
    n = len(json.load(open(f"{folder}/tokenizer_2/tokenizer.json"))["model"]["vocab"])
    t5 = T5EncoderModel(T5Config(attn_implementation="eager", vocab_size=n, d_model=192, d_kv=32, d_ff=384, num_layers=3, num_heads=6,
                                 feed_forward_proj="gated-gelu", dropout_rate=0.0, is_encoder_decoder=False, use_cache=False,
                                 pad_token_id=0, eos_token_id=1))
    # Embeddings begin at a quarter of T5's own scale: they are to learn what a word looks like, not only to differ (bind.py).
    with torch.no_grad():
        t5.shared.weight.mul_(0.25)
    return clip, t5


def main():
    """Tokenizers, once: whatever is trained afterwards depends on them. Those that are committed are taken as they are."""
    if not os.path.exists(f"{FOLDER}/tokenizer_2/tokenizer.json"):
        import shutil
        if os.path.exists(f"{loop.KEPT}/tokenizer_2/tokenizer.json"):
            for name in ("tokenizer", "tokenizer_2"):
                shutil.copytree(f"{loop.KEPT}/{name}", f"{FOLDER}/{name}", dirs_exist_ok=True)
        else:
            lines = corpus()
            write_clip(f"{FOLDER}/tokenizer", lines)
            write_t5(f"{FOLDER}/tokenizer_2", lines)
    t = Tokens(FOLDER)
    for words in ("a noto style large yellow christmas tree next to a purple teddy bear on an orange background.", "A Red apple, flat style", "zxq"):
        clip, t5 = t([words])
        print(clip.shape[1], [t.t5.id_to_token(i) for i in t5[0].tolist() if i])
    clip, t5 = encoders(FOLDER)
    print(f"CLIP {sum(p.numel() for p in clip.parameters()) / 1e6:.2f} M, T5 {sum(p.numel() for p in t5.parameters()) / 1e6:.2f} M")


if __name__ == "__main__":
    main()
