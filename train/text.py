"""Small tokenizers of the real kinds, and small text encoders: CLIP for the pooled vector, T5 for the states.

CLIP: byte-pair encoding with `</w>` word ends (vocab.json, merges.txt, tokenizer.json). T5: a sentencepiece
unigram model (spiece.model, tokenizer.json). Both are trained on the captions of train/data.py.
"""
import collections, json, math, os, sys
import torch
import data

LENGTH = 24  # T5 tokens: the longest caption has about 20


def corpus(n=20000):
    s = data.Scenes(5)
    lines = [s.caption(s.spec()) for _ in range(n)]
    # Every word alone once more, so that rare nouns become few tokens.
    return lines + s.nouns * 20


def bytes_to_unicode():
    """GPT-2's printable stand-ins for the 256 bytes."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, extra = {b: chr(b) for b in keep}, 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return table


def train_bpe(lines, merges_wanted=700):
    words = collections.Counter(w for line in lines for w in line.lower().replace(",", " , ").split())
    split = {w: list(w[:-1]) + [w[-1] + "</w>"] for w in words}
    merges = []
    while len(merges) < merges_wanted:
        pairs = collections.Counter()
        for w, n in words.items():
            for p in zip(split[w], split[w][1:]):
                pairs[p] += n
        if not pairs:
            break
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        for w, parts in split.items():
            i, out = 0, []
            while i < len(parts):
                if i + 1 < len(parts) and (parts[i], parts[i + 1]) == best:
                    out.append(parts[i] + parts[i + 1]); i += 2
                else:
                    out.append(parts[i]); i += 1
            split[w] = out
    letters = list(bytes_to_unicode().values())
    vocab = letters + [c + "</w>" for c in letters] + ["".join(m) for m in merges]
    vocab = list(dict.fromkeys(vocab)) + ["<|startoftext|>", "<|endoftext|>"]
    return {t: i for i, t in enumerate(vocab)}, merges


def write_clip(folder, lines):
    os.makedirs(folder, exist_ok=True)
    vocab, merges = train_bpe(lines)
    json.dump(vocab, open(f"{folder}/vocab.json", "w"), ensure_ascii=False)
    with open(f"{folder}/merges.txt", "w") as f:
        f.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    from transformers import CLIPTokenizer
    tok = CLIPTokenizer(f"{folder}/vocab.json", f"{folder}/merges.txt", model_max_length=77)
    tok.save_pretrained(folder)
    return tok


def write_t5(folder, lines):
    import sentencepiece as spm
    from tokenizers import Tokenizer, models, pre_tokenizers, decoders, processors, AddedToken
    os.makedirs(folder, exist_ok=True)
    text = f"{data.RUNS}/captions.txt"
    ascii_letters = " ".join(chr(c) for c in range(33, 127))
    open(text, "w").write("\n".join(lines + [ascii_letters] * 3))
    spm.SentencePieceTrainer.train(
        input=text, model_prefix=f"{data.RUNS}/spiece", vocab_size=900, model_type="unigram",
        normalization_rule_name="identity", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>",
        character_coverage=1.0, hard_vocab_limit=False, minloglevel=2)
    # The trainer splits even frequent words of so small a corpus; give every word a piece of its own.
    from sentencepiece import sentencepiece_model_pb2 as pb
    model = pb.ModelProto.FromString(open(f"{data.RUNS}/spiece.model", "rb").read())
    words = collections.Counter(w for line in lines for w in line.replace(",", " ,").split())
    total = sum(words.values())
    scores = {"▁" + w: math.log(n / total) for w, n in words.items() if n >= 20}
    del model.pieces[3:]
    letters = ["▁"] + [chr(c) for c in range(33, 127)]
    for piece, score in sorted(scores.items(), key=lambda x: -x[1]) + [(c, -14.0) for c in letters if c not in scores]:
        model.pieces.append(pb.ModelProto.SentencePiece(piece=piece, score=score))
    model.trainer_spec.vocab_size = len(model.pieces)
    open(f"{folder}/spiece.model", "wb").write(model.SerializeToString())
    sp = spm.SentencePieceProcessor(f"{folder}/spiece.model")
    vocab = [(sp.id_to_piece(i), sp.get_score(i)) for i in range(sp.get_piece_size())]
    tok = Tokenizer(models.Unigram(vocab, unk_id=2, byte_fallback=False))
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
    clip = CLIPTextModel(CLIPTextConfig(vocab_size=len(vocab), hidden_size=128, intermediate_size=512, projection_dim=128,
                                        num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=77,
                                        hidden_act="quick_gelu", bos_token_id=bos, eos_token_id=eos, pad_token_id=eos))
    n = len(json.load(open(f"{folder}/tokenizer_2/tokenizer.json"))["model"]["vocab"])
    t5 = T5EncoderModel(T5Config(vocab_size=n, d_model=192, d_kv=32, d_ff=384, num_layers=3, num_heads=6,
                                 feed_forward_proj="gated-gelu", dropout_rate=0.0, is_encoder_decoder=False, use_cache=False,
                                 pad_token_id=0, eos_token_id=1))
    return clip, t5


if __name__ == "__main__":
    folder = sys.argv[1]
    lines = corpus()
    write_clip(f"{folder}/tokenizer", lines)
    write_t5(f"{folder}/tokenizer_2", lines)
    t = Tokens(folder)
    clip, t5 = t(["a noto style large yellow christmas tree next to a purple teddy bear on an orange background", "A red apple"])
    print(clip.shape, t5, [t.t5.id_to_token(i) for i in t5[0].tolist()])
