/** The page's scripts: what a browser loads until the first picture of the built-in model, and what it does not. */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { shadersFile } from "../lib/cli/page_files.ts";
import { bundle } from "../tools/web.ts";
import { privateNames } from "../tools/web_names.ts";

const ROOT = fromFileUrl(new URL("../", import.meta.url));
/** Page and worker, with the family of the built-in model; some 620 kB before scripts were split by what they are for. */
const MOST_BYTES = 300_000;

/** What other models, files and wishes need. */
const LATER = [
  "lib/gpu/tune_integer_dot.ts",
  "lib/gpu/no_adapter.ts",
  "lib/hub/",
  "lib/image/canny.ts",
  "lib/image/exif_texts.ts",
  "lib/image/jpeg.ts",
  "lib/image/png.ts",
  "lib/image/resize.ts",
  "lib/image/webp.ts",
  "lib/impostor.ts",
  "lib/model_files/",
  "lib/models/autoencoder_tiny.ts",
  "lib/models/dit.ts",
  "lib/models/first_block_cache.ts",
  "lib/models/residual_upsampler.ts",
  "lib/models/sd3.ts",
  "lib/models/unet.ts",
  "lib/pipelines/all_rules.ts",
  "lib/pipelines/checked_pipeline_options.ts",
  "lib/pipelines/clip_pair.ts",
  "lib/pipelines/family_presets.ts",
  "lib/pipelines/further_latents.ts",
  "lib/pipelines/further_options.ts",
  "lib/pipelines/memory",
  "lib/pipelines/model_source.ts",
  "lib/pipelines/opened_loras.ts",
  "lib/pipelines/parts.ts",
  "lib/pipelines/picture_request.ts",
  "lib/pipelines/skip_layers.ts",
  "lib/pipelines/stable_diffusion",
  "lib/pipelines/vae_cut.ts",
  "lib/random_torch.ts",
  "lib/residency/host_memory.ts",
  "lib/residency/stream.ts",
  "lib/scaling/dct.ts",
  "lib/scaling/flops_",
  "lib/scaling/methods/jit.ts",
  "lib/scaling/methods/registry.ts",
  "lib/scaling/tokens.ts",
  "lib/schedulers/a1111_names.ts",
  "lib/schedulers/choice.ts",
  "lib/schedulers/ddim.ts",
  "lib/schedulers/diffusion_noising.ts",
  "lib/schedulers/flow_match.ts",
  "lib/schedulers/registry.ts",
  "lib/schedulers/samplers.ts",
  "lib/schedulers/spacings.ts",
  "lib/schedulers/terms.ts",
  "lib/text/charsmap.ts",
  "lib/text/prompt_syntax.ts",
  "lib/text/prompt_weights.ts",
  "lib/text/sentencepiece.ts",
  "lib/text/tokenizer_files.ts",
  "lib/weights/convert.ts",
  "lib/weights/dtypes.ts",
  "lib/weights/file_sets.ts",
  "lib/weights/http_source.ts",
  "lib/weights/lora",
  "lib/weights/names/original.ts",
  "lib/weights/quants.ts",
  "lib/weights/scales.ts",
  "lib/weights/sha256.ts",
  "lib/weights/whole_hash.ts",
  "web/explain.ts",
  "web/folders.ts",
  "web/form_restoring.ts",
  "web/grid.ts",
  "web/grid_view.ts",
  "web/own_model.ts",
  "web/presets.ts",
  "web/restoring.ts",
  "web/start_editor.ts",
  "web/trouble_box.ts",
  "web/zip.ts",
];

Deno.test("until the first picture the page loads few scripts, and none of other families, formats and languages", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { outputs } = await bundle(
      { main: `${ROOT}web/main.ts`, worker: `${ROOT}web/worker.ts` },
      folder,
      { MODEL_URL: '""', MODEL_FILES_URL: '""', TOKENIZERS_URL: '""' },
    );
    // The published package leaves this copy out.
    assertEquals(await shadersFile(), await Deno.readFile(`${folder}/shaders.json`));
    const scripts = Object.keys(outputs);
    const withInput = (ending: string): string =>
      scripts.find((script) => Object.keys(outputs[script].inputs).some((input) => input.endsWith(ending)))!;
    const first = new Set([
      ...scripts.filter((script) => /[\\/](main|worker)\.js$/.test(script)),
      // Imported when the model is opened.
      ...["lib/pipelines/flux.ts", "lib/models/latent_upsampler.ts"].map((path) =>
        scripts.find((script) => outputs[script].entryPoint?.endsWith(path))!
      ),
    ]);
    for (const script of first) {
      for (const { path, kind } of outputs[script].imports) {
        if (kind === "import-statement" && path in outputs) first.add(path);
      }
    }
    const inputs = [...first].flatMap((script) => Object.keys(outputs[script].inputs));
    assert(inputs.some((input) => input.endsWith("lib/models/flux.ts")));
    assert(!first.has(withInput("texts:de")), "German comes along");
    assertEquals(LATER.filter((path) => inputs.some((input) => input.includes(path))), []);
    const bytes = [...first].reduce((sum, script) => sum + outputs[script].bytes, 0);
    assert(bytes <= MOST_BYTES, `${bytes} bytes of JavaScript, at most ${MOST_BYTES} are allowed`);
    for (const path of LATER) {
      assert(
        scripts.some((script) => Object.keys(outputs[script].inputs).some((input) => input.includes(path))),
        path,
      );
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a private name is made short only where nothing else has it", () => {
  const names = privateNames([
    `class A {
      private readonly kept = 1;
      private queue = 2;
      private named = 3;
      private size = 4;
      private shared = 5;
      constructor(private readonly given: B) {}
      private async made(): Promise<void> { const { kept } = this; this.queue = kept; await this.made(this.given); }
    }`,
    'device.queue.submit(); use("named"); const options = { size: 1 }; send({ shared });',
  ]);
  const short = (name: string): boolean => names.test(name);
  assertEquals(["kept", "given", "made"].filter((name) => !short(name)), []);
  assertEquals(["queue", "named", "size", "shared", "constructor", "toString"].filter(short), []);
});
