/**
 * Every text of the page in every language: a row has them side by side, so that none can be missing. `{name}` stands for a
 * value. Sentences of the library (names of files, options and numbers) stay English.
 *
 * The build of the page leaves the first column here, and makes a script of each other one (tools/web.ts).
 *
 * @module
 */

/** Languages, in the order of the rows. */
export const LANGUAGES = ["en", "de"] as const;

/** The texts. Names of places in index.html are `data-t`; those of labels for screen readers `data-t-label`. */
export const TEXTS = {
  // Head of the page.
  title: ["LSSGen – pictures from text, on your GPU", "LSSGen – Bilder aus Text, auf deiner GPU"],
  skip: ["Skip to the picture", "Zum Bild springen"],
  claim: [
    "Text becomes a picture on your own GPU. It starts small and grows in latent space.",
    "Aus Text wird ein Bild, auf deiner eigenen GPU. Es beginnt klein und wächst im latenten Raum.",
  ],
  looking: ["Looking for a GPU …", "Suche eine GPU …"],
  noGpu: ["No GPU", "Keine GPU"],
  language: ["Language", "Sprache"],

  // Settings.
  settings: ["Settings", "Einstellungen"],
  prompt: ["Prompt", "Beschreibung"],
  examples: ["Examples", "Beispiele"],
  words: ["Words this model knows", "Wörter, die dieses Modell kennt"],
  wordsFind: ["Find a word", "Wort suchen"],
  wordsCount: ["{found} of {all} words", "{found} von {all} Wörtern"],
  size: ["Size", "Größe"],
  steps: ["Steps", "Schritte"],
  ownSize: ["Another size …", "Andere Größe …"],
  asPicture: ["As the picture", "Wie das Bild"],
  width: ["Width", "Breite"],
  height: ["Height", "Höhe"],
  aspect: ["Aspect", "Seitenverhältnis"],
  free: ["Free", "Frei"],
  swap: ["Swap width and height", "Breite und Höhe tauschen"],
  method: ["Method", "Verfahren"],
  noise: ["Initial noise σ", "Anfangsrauschen σ"],
  noiseHint: [
    "Noise put back after the picture grows: more redraws more.",
    "Rauschen, das nach dem Wachsen dazukommt: Mehr davon zeichnet mehr neu.",
  ],
  noiseDirect: [
    "Direct generation has one stage: nothing grows, no noise is put back.",
    "Das direkte Verfahren hat eine Stufe: Nichts wächst, kein Rauschen kommt dazu.",
  ],
  seed: ["Seed", "Startwert"],
  newSeed: ["New seed", "Neuer Startwert"],
  keepSeed: ["Keep the seed", "Startwert behalten"],
  seedHint: [
    "Each picture gets a new seed until it is kept.",
    "Jedes Bild bekommt einen neuen Startwert, bis er festgehalten wird.",
  ],
  advanced: ["Advanced", "Mehr Einstellungen"],
  negative: ["Negative prompt", "Nicht im Bild"],
  negativeNeedsCfg: [
    "Takes effect with true CFG above 1.",
    "Wirkt, sobald „True CFG“ über 1 steht.",
  ],
  guidance: ["Guidance scale", "Guidance (Treue zum Text)"],
  trueCfg: ["True CFG scale", "True CFG"],
  sampler: ["Sampler", "Sampler"],
  schedule: ["Schedule", "Rauschplan"],
  ownSampler: ["Default", "Standard"],
  count: ["Pictures", "Bilder"],
  everyLine: ["A picture for each line of the prompt", "Ein Bild für jede Zeile der Beschreibung"],
  upsampler: ["Growth by", "Wachsen durch"],
  minResolution: ["First stage from", "Erste Stufe ab"],
  cache: ["Blocks skipped below a change of", "Blöcke auslassen unter einer Änderung von"],
  cacheHint: [
    "0 draws every block. 0.05 to 0.12 skips those of steps that change little: faster, a little less exact.",
    "0 rechnet jeden Block. 0,05 bis 0,12 lässt die von Schritten aus, die wenig ändern: schneller, etwas weniger genau.",
  ],
  modelPreset: ["Quality and speed", "Qualität und Tempo"],
  modelPresetHint: [
    "The preset chooses method, steps, stages and growth.",
    "Verfahren, Schritte, Stufen und Wachsen wählt diese Einstellung.",
  ],
  presetOwn: ["As set here", "Wie hier eingestellt"],
  presetQuality: ["Quality", "Qualität"],
  presetBalanced: ["Balanced", "Ausgewogen"],
  presetFast: ["Fast", "Schnell"],
  preset: ["Preset", "Vorlage"],
  presetNone: ["Choose …", "Wählen …"],
  presetName: ["Name of a new preset", "Name einer neuen Vorlage"],
  presetSave: ["Save", "Speichern"],
  presetDelete: ["Delete", "Löschen"],
  presetSaved: ["Preset {name} is saved", "Vorlage {name} ist gespeichert"],
  presetDeleted: ["Preset {name} is deleted", "Vorlage {name} ist gelöscht"],
  loras: ["LoRAs", "LoRAs"],
  loraStrength: ["Strength of {name}", "Stärke von {name}"],
  loraAdd: ["Add a LoRA", "LoRA hinzufügen"],
  loraRemove: ["Remove {name}", "{name} entfernen"],
  loraHint: [
    "LoRA files that are chosen or dropped appear here.",
    "LoRA-Dateien, die du wählst oder ablegst, erscheinen hier.",
  ],
  lssgen: ["LSSGen", "LSSGen"],
  lssgenHint: [
    "Starts small; a small network enlarges the latents in mid-run.",
    "Beginnt klein; ein kleines Netz vergrößert unterwegs die latenten Werte.",
  ],
  direct: ["Direct", "Direkt"],
  directHint: ["Full size from the first step.", "Volle Größe vom ersten Schritt an."],
  megafusion: ["MegaFusion", "MegaFusion"],
  megafusionHint: [
    "Starts small; the clean estimate is enlarged as pixels and noised again.",
    "Beginnt klein; die Schätzung ohne Rauschen wird in Pixeln vergrößert und wieder verrauscht.",
  ],
  "self-cascade": ["Self-Cascade", "Self-Cascade"],
  "self-cascadeHint": [
    "Starts small; the latents are enlarged by interpolation and noised again.",
    "Beginnt klein; die latenten Werte werden interpoliert und wieder verrauscht.",
  ],
  diffusehigh: ["DiffuseHigh", "DiffuseHigh"],
  diffusehighHint: [
    "A finished small picture is enlarged, sharpened and partly drawn again, its outlines held by wavelets.",
    "Ein fertiges kleines Bild wird vergrößert, geschärft und teils neu gezeichnet; Wavelets halten seine Umrisse.",
  ],
  selflift: ["SelfLift", "SelfLift"],
  selfliftHint: [
    "The last quarter of the steps at full size; the clean estimate is enlarged before it.",
    "Das letzte Viertel der Schritte in voller Größe; davor wird die Schätzung ohne Rauschen vergrößert.",
  ],
  "hires-fix": ["Hires fix", "Hires fix"],
  "hires-fixHint": [
    "A finished small picture is enlarged and partly drawn again.",
    "Ein fertiges kleines Bild wird vergrößert und teils neu gezeichnet.",
  ],

  // Beginning with a picture.
  begin: ["Begin with a picture (optional)", "Mit einem Bild beginnen (freiwillig)"],
  choosePicture: ["Choose a picture …", "Bild wählen …"],
  chooseMask: ["Choose a mask …", "Maske wählen …"],
  beginNoise: ["Begin with noise", "Mit Rauschen beginnen"],
  beginHint: [
    "Drop or paste any picture that this browser shows. It stays on this computer.",
    "Ein Bild, das dieser Browser zeigen kann, hierher ziehen oder einfügen. Es bleibt auf diesem Rechner.",
  ],
  beginHintServer: [
    "Drop or paste any picture that this browser shows. It is sent to the server that draws.",
    "Ein Bild, das dieser Browser zeigen kann, hierher ziehen oder einfügen. Es geht an den Server, der zeichnet.",
  ],
  beginsWith: ["Begins with {name}", "Beginnt mit {name}"],
  beginsWithMask: [
    "Begins with {name}; {mask} says what is drawn anew: white, not black or transparent",
    "Beginnt mit {name}; {mask} sagt, was neu gezeichnet wird: Weiß, nicht Schwarz oder Durchsichtiges",
  ],
  beginsNoise: ["Begins with noise", "Beginnt mit Rauschen"],
  badPicture: [
    "{name} is no picture that this browser can show",
    "{name} ist kein Bild, das dieser Browser zeigen kann",
  ],
  strength: ["Strength", "Stärke"],
  strengthHint: [
    "How far to go from the picture: 1 keeps next to nothing of it.",
    "Wie weit es vom Bild weggehen darf: Bei 1 bleibt fast nichts davon.",
  ],
  maskTitle: ["Mask", "Maske"],
  maskHint: [
    "Draw over what shall be drawn anew, with mouse, pen or finger.",
    "Übermale mit Maus, Stift oder Finger, was neu gezeichnet werden soll.",
  ],
  maskCanvas: ["Picture to draw the mask on", "Bild, auf das die Maske gezeichnet wird"],
  brush: ["Brush", "Pinsel"],
  feather: ["Feather", "Weiche Kante"],
  erase: ["Erase", "Radieren"],
  undo: ["Undo", "Rückgängig"],
  clearMask: ["Clear the mask", "Maske leeren"],
  invertMask: ["Invert", "Umkehren"],
  extend: ["Extend the picture by (pixels)", "Bild erweitern um (Pixel)"],
  top: ["Top", "Oben"],
  right: ["Right", "Rechts"],
  bottom: ["Bottom", "Unten"],
  left: ["Left", "Links"],
  extendedTo: [
    "Extended to {width} × {height}; the new edge is drawn anew.",
    "Erweitert auf {width} × {height}; der neue Rand wird gezeichnet.",
  ],
  foundSettings: [
    "{name} holds the settings it was drawn with ({source}).",
    "{name} enthält die Einstellungen, mit denen es entstand ({source}).",
  ],
  useSettings: ["Use these settings", "Diese Einstellungen übernehmen"],
  beginWithIt: ["Begin with this picture", "Mit diesem Bild beginnen"],
  settingsTaken: ["The settings are in the form", "Die Einstellungen stehen im Formular"],
  settingsLeft: ["Without an equal here: {names}", "Hier ohne Entsprechung: {names}"],
  settingsModel: ["It was drawn with the model {name}", "Gezeichnet wurde es mit dem Modell {name}"],
  settingsLora: ["Choose the file of the LoRA {name} first", "Wähle zuerst die Datei des LoRA {name}"],

  // Plan and buttons.
  planSteps: ["{count} steps", "{count} Schritte"],
  planFaster: [
    "{factor}× less denoising work than direct",
    "{factor}-mal weniger Rechenarbeit als direkt",
  ],
  planSlower: ["{factor}× the denoising work of direct", "{factor}-fache Rechenarbeit von direkt"],
  generate: ["Generate", "Zeichnen"],
  enqueue: ["Add to the queue", "In die Warteschlange"],
  compare: ["Compare with direct", "Mit direkt vergleichen"],
  compareHint: [
    "Comparing draws the same seed twice and times both. Ctrl+Enter generates.",
    "Der Vergleich zeichnet denselben Startwert zweimal und misst die Zeit. Strg+Eingabe zeichnet.",
  ],
  copyLink: ["Copy a link to these settings", "Link zu diesen Einstellungen kopieren"],
  linkCopied: ["The link is copied", "Der Link ist kopiert"],
  linkShown: [
    "The address of this page holds the settings",
    "Die Adresse dieser Seite enthält die Einstellungen",
  ],
  grid: ["Compare settings in a grid", "Einstellungen im Raster vergleichen"],
  gridX: ["Across", "Waagerecht"],
  gridY: ["Down", "Senkrecht"],
  gridNone: ["Nothing", "Nichts"],
  gridValues: ["Values of {axis}, with commas", "Werte für {axis}, mit Kommas"],
  gridDraw: ["Draw the grid", "Raster zeichnen"],
  gridHint: [
    "One seed for all pictures, at most {most}.",
    "Ein Startwert für alle Bilder, höchstens {most}.",
  ],
  gridTitle: ["Grid: {x} across, {y} down", "Raster: waagerecht {x}, senkrecht {y}"],
  gridDone: ["The grid is ready", "Das Raster ist fertig"],
  gridNeeds: ["Values: at least one is expected", "Werte: mindestens einer wird erwartet"],
  gridMany: ["Values: {count} pictures, at most {most}", "Werte: {count} Bilder, höchstens {most}"],
  gridBad: ["{value} is no value of {axis}", "{value} ist kein Wert für {axis}"],
  wholeNumber: [
    "{name}: a whole number from {low} to {high} is expected",
    "{name}: Erwartet wird eine ganze Zahl von {low} bis {high}",
  ],
  anyNumber: [
    "{name}: a number from {low} to {high} is expected",
    "{name}: Erwartet wird eine Zahl von {low} bis {high}",
  ],
  sayWhat: ["Prompt: say what to draw", "Beschreibung: Sag, was gezeichnet werden soll"],

  // Progress.
  picture: ["Picture", "Bild"],
  stop: ["Stop", "Stopp"],
  stopNow: ["Stop at once", "Sofort stoppen"],
  placeholder: ["Your picture will appear here.", "Hier erscheint dein Bild."],
  starting: ["Starting …", "Beginnt …"],
  phaseModel: ["Model", "Modell"],
  phasePrompt: ["Prompt", "Beschreibung"],
  phaseDenoise: ["Denoise", "Entrauschen"],
  phaseStage: ["Stage {number}", "Stufe {number}"],
  phaseDecode: ["Decode", "Dekodieren"],
  fetching: ["Fetching the model", "Lade das Modell herunter"],
  fetchingOf: ["Fetching the model: {done} of {total}", "Lade das Modell herunter: {done} von {total}"],
  loading: ["Loading the model", "Lade das Modell"],
  loadingPart: ["Loading {part} into the GPU", "Lade {part} in die GPU"],
  ofTotal: ["{done} of {total}", "{done} von {total}"],
  preparing: [
    "Preparing the GPU: kernels are compiled once",
    "Bereite die GPU vor: Rechenkerne werden einmal übersetzt",
  ],
  reading: ["Reading the prompt", "Lese die Beschreibung"],
  denoising: ["Denoising", "Entrausche"],
  stageOf: [
    "Stage {stage} of {stages}, {width} by {height}",
    "Stufe {stage} von {stages}, {width} mal {height}",
  ],
  stageStep: [
    "Stage {stage} of {stages}, step {step} of {steps}",
    "Stufe {stage} von {stages}, Schritt {step} von {steps}",
  ],
  step: ["Step {step} of {steps}", "Schritt {step} von {steps}"],
  timeLeft: ["about {time} left", "noch etwa {time}"],
  growing: ["Growing to {width} × {height}", "Wächst auf {width} × {height}"],
  decoding: ["Decoding", "Dekodiere"],
  waitingThere: ["Waiting for the server, {count} before", "Warte auf den Server, {count} davor"],
  warmingUp: ["{title}, warming up", "{title}, Aufwärmen"],
  jobOf: ["{title}, {number} of {all}", "{title}, {number} von {all}"],
  again: [
    "The GPU went away; trying once more on a fresh device",
    "Die GPU war weg; neuer Versuch mit frischem Gerät",
  ],
  stopping: ["Stopping after this step …", "Stoppt nach diesem Schritt …"],
  stopped: ["Stopped", "Gestoppt"],
  ready: ["The picture is ready after {time}", "Das Bild ist fertig nach {time}"],
  readyMany: ["{count} pictures are ready", "{count} Bilder sind fertig"],
  previewLabel: ["Preview of the picture in the making", "Vorschau des entstehenden Bildes"],
  queue: ["Queue", "Warteschlange"],
  queued: ["Added to the queue: {prompt}", "In der Warteschlange: {prompt}"],
  queueRemove: ["Remove {prompt} from the queue", "{prompt} aus der Warteschlange nehmen"],
  queueRemoved: ["Removed from the queue", "Aus der Warteschlange genommen"],

  // Pictures.
  drawnBy: ["{prompt}, drawn by {method}", "{prompt}, gezeichnet mit {method}"],
  facts: ["{size}, {steps} steps, seed {seed}", "{size}, {steps} Schritte, Startwert {seed}"],
  download: ["Download PNG", "PNG herunterladen"],
  downloadOf: ["Download PNG, {name}", "PNG herunterladen, {name}"],
  beginWithThis: ["Begin with it", "Damit beginnen"],
  deleteThis: ["Delete", "Löschen"],
  deleted: ["The picture is deleted", "Das Bild ist gelöscht"],
  took: [
    "{fast} took {fastTime}, {slow} {slowTime}: {factor}× as fast",
    "{fast} brauchte {fastTime}, {slow} {slowTime}: {factor}-mal so schnell",
  ],
  tookSame: [
    "{one} and {other} took the same time: {time}",
    "{one} und {other} brauchten gleich lang: {time}",
  ],
  gallery: ["Your pictures", "Deine Bilder"],
  galleryEmpty: [
    "Pictures drawn here are kept in this browser until you delete them. Nothing is uploaded.",
    "Hier gezeichnete Bilder bleiben in diesem Browser, bis du sie löschst. Nichts wird hochgeladen.",
  ],
  galleryLost: [
    "This browser keeps no pictures here (a private window?): they are listed until the page is closed.",
    "Dieser Browser behält hier keine Bilder (privates Fenster?): Sie stehen da, bis die Seite geschlossen wird.",
  ],
  galleryMore: ["Show older ones ({count})", "Ältere zeigen ({count})"],
  exportZip: ["Save all as a zip", "Alle als Zip speichern"],
  deleteAll: ["Delete all pictures", "Alle Bilder löschen"],
  deleteAllSure: ["Really delete {count} pictures", "Wirklich {count} Bilder löschen"],
  allDeleted: ["All pictures are deleted", "Alle Bilder sind gelöscht"],
  showing: ["Showing {prompt}", "Zeige {prompt}"],

  // Model.
  model: ["Model", "Modell"],
  modelsKnown: ["Models at hand", "Modelle zur Hand"],
  builtIn: ["Built-in model", "Eingebautes Modell"],
  serversModel: ["The server's model", "Modell des Servers"],
  opening: ["Opening …", "Öffne …"],
  notOpened: ["Not opened", "Nicht geöffnet"],
  chooseFolder: ["Choose a model folder …", "Modellordner wählen …"],
  chooseFiles: ["Choose files of weights …", "Gewichtsdateien wählen …"],
  useBuiltIn: ["Back to the built-in model", "Zurück zum eingebauten Modell"],
  forget: ["Delete stored weights ({size})", "Gespeicherte Gewichte löschen ({size})"],
  none: ["none", "keine"],
  forgotten: ["Stored weights are deleted", "Die gespeicherten Gewichte sind gelöscht"],
  folderHint: [
    "A folder in diffusers' layout (FLUX.1, Stable Diffusion 3.5, SDXL and others); or safetensors and GGUF files: a whole model, a denoiser with its autoencoder and text encoders, or parts and LoRAs for the model that is open. All may be dropped anywhere on this page, several files at once. They are read from your disk as they are needed and stay on this computer.",
    "Ein Ordner im Aufbau von diffusers (FLUX.1, Stable Diffusion 3.5, SDXL und andere); oder Dateien in safetensors und GGUF: ein ganzes Modell, ein Entrauscher mit Autoencoder und Text-Encodern, oder Teile und LoRAs für das offene Modell. Alles lässt sich irgendwo auf die Seite ziehen, auch mehrere Dateien zugleich. Gelesen wird von deiner Platte, wenn es gebraucht wird; nichts verlässt diesen Rechner.",
  ],
  hub: ["Or a model’s name on Hugging Face", "Oder der Name eines Modells bei Hugging Face"],
  lookUp: ["Look up", "Nachsehen"],
  hubHint: [
    "Its size is shown first; its weights are fetched with the first picture. Public models only: a gated one is fetched with the command line and chosen as a folder.",
    "Erst wird die Größe gezeigt; die Gewichte kommen mit dem ersten Bild. Nur öffentliche Modelle: Geschützte holt die Kommandozeile, dann wählst du den Ordner.",
  ],
  fetchedFirst: [
    "fetched with the first picture, then kept in this browser",
    "kommt mit dem ersten Bild und bleibt dann in diesem Browser",
  ],
  builtInNote: ["built in, {size}: {fetched}", "eingebaut, {size}: {fetched}"],
  builtInKept: ["built in, {size}, kept in this browser", "eingebaut, {size}, in diesem Browser gespeichert"],
  hubKept: ["{size}, kept in this browser", "{size}, in diesem Browser gespeichert"],
  hubSome: ["{size} of them are {fetched}", "davon {size}: {fetched}"],
  hubRoom: [
    "This browser has room for {size}: the rest would be fetched again each time",
    "Dieser Browser hat Platz für {size}: Der Rest käme jedes Mal neu",
  ],
  from: ["{pipeline}, from {place}", "{pipeline}, aus {place}"],
  yourFolder: ["your folder", "deinem Ordner"],
  withLora: ["with the LoRA {names}", "mit dem LoRA {names}"],
  withPart: ["with {names} as its {part}", "mit {names} als {part}"],
  maxVram: ["Limit of GPU memory (MiB)", "Grenze für GPU-Speicher (MiB)"],
  maxVramHint: [
    "Weights beyond it are read from the model's files each time they are used, which is slower. Empty: no limit.",
    "Gewichte darüber hinaus werden bei jedem Gebrauch aus den Dateien des Modells gelesen, was langsamer ist. Leer: keine Grenze.",
  ],
  memoryStreams: [
    "{size} of the weights are read from the files at each use",
    "{size} der Gewichte werden bei jedem Gebrauch aus den Dateien gelesen",
  ],
  memory: [
    "about {size} of GPU memory for a picture of {width} × {height}",
    "etwa {size} GPU-Speicher für ein Bild von {width} × {height}",
  ],
  openModel: ["Open", "Öffnen"],
  openNamed: ["Open {name}", "{name} öffnen"],
  deleteNamed: ["Delete {name}", "{name} löschen"],
  forgetFolder: ["Forget {name}", "{name} vergessen"],
  kindFolder: ["your folder", "dein Ordner"],
  kindFiles: ["your files", "deine Dateien"],
  kindStored: ["kept in this browser, {size}", "in diesem Browser gespeichert, {size}"],
  kindServer: ["drawn by this server", "gezeichnet von diesem Server"],
  permission: [
    "The browser asks once more whether this page may read {name}",
    "Der Browser fragt noch einmal, ob diese Seite {name} lesen darf",
  ],
  permissionDenied: [
    "This page may not read {name}: choose it again",
    "Diese Seite darf {name} nicht lesen: Wähle es neu",
  ],
  dropHere: [
    "Drop a picture, or a model’s folder or files",
    "Ein Bild ablegen, oder Ordner oder Dateien eines Modells",
  ],
  stopFirst: ["Stop the picture first, then choose a model", "Stoppe zuerst das Bild, dann wähle ein Modell"],
  formerKept: ["The model before is still open.", "Das vorige Modell ist noch offen."],

  // The server.
  servedBy: [
    "Drawn by the server at {host} with {model}: prompts and pictures are sent there.",
    "Es zeichnet der Server {host} mit {model}: Beschreibungen und Bilder gehen dorthin.",
  ],
  serverChip: ["Server", "Server"],
  token: ["Token of this server", "Kennwort dieses Servers"],
  tokenUse: ["Use it", "Verwenden"],
  serverGone: [
    "The server at {host} does not answer. Is it still running?",
    "Der Server {host} antwortet nicht. Läuft er noch?",
  ],

  // Errors.
  tryAgain: ["Try again", "Noch einmal versuchen"],
  useBuiltInModel: ["Use the built-in model", "Das eingebaute Modell verwenden"],
  dismiss: ["Dismiss", "Schließen"],
  noScript: [
    "This page draws with JavaScript and WebGPU; please allow scripts.",
    "Diese Seite zeichnet mit JavaScript und WebGPU; bitte erlaube Skripte.",
  ],
  offline: [
    "There is no network: what is kept in this browser goes on working.",
    "Kein Netz: Was in diesem Browser gespeichert ist, geht weiter.",
  ],
  noAdapterTitle: ["This browser gives no access to a GPU", "Dieser Browser gibt keinen Zugang zur GPU"],
  noAdapterHint: [
    "The browser knows WebGPU but offers no GPU: update the graphics driver; on Linux, start Chrome with --enable-unsafe-webgpu --enable-features=Vulkan.",
    "Der Browser kennt WebGPU, bietet aber keine GPU: Erneuere den Grafiktreiber; unter Linux Chrome mit --enable-unsafe-webgpu --enable-features=Vulkan starten.",
  ],
  noAdapterBrowsers: [
    "This page works in Chrome and Edge from version 135, Firefox from 141, Safari from 26, where graphics acceleration is switched on in the settings.",
    "Diese Seite läuft in Chrome und Edge ab Version 135, Firefox ab 141 und Safari ab 26, wenn dort die Hardwarebeschleunigung eingeschaltet ist.",
  ],
  elsewhere: [
    'Without a browser, the same pictures come from the command line: deno run -A cli.ts "a red apple"',
    'Ohne Browser kommen dieselben Bilder von der Kommandozeile: deno run -A cli.ts "a red apple"',
  ],
  lostTitle: ["The GPU went away, and again on a second try", "Die GPU war weg, auch beim zweiten Versuch"],
  lostWhy: [
    "The driver gave up, another program needed the GPU, or the computer was asleep.",
    "Der Treiber gab auf, ein anderes Programm brauchte die GPU, oder der Rechner schlief.",
  ],
  lostWay: [
    "Close other tabs that draw much, take a smaller size, and try again.",
    "Schließe andere Tabs, die viel zeichnen, nimm eine kleinere Größe und versuche es noch einmal.",
  ],
  memoryTitle: ["The GPU's memory is full", "Der Speicher der GPU ist voll"],
  memoryWay: [
    "Take a smaller size, or close other tabs and programs that use the GPU.",
    "Nimm eine kleinere Größe, oder schließe andere Tabs und Programme, die die GPU brauchen.",
  ],
  memoryOwn: [
    "Or set a limit of GPU memory below the model: weights that do not fit are then read from its files as they are used, which is slower.",
    "Oder setze beim Modell eine Grenze für GPU-Speicher: Gewichte, die nicht hineinpassen, werden dann bei Gebrauch aus den Dateien gelesen, was langsamer ist.",
  ],
  optionTitle: ["These settings do not go together", "Diese Einstellungen passen nicht zusammen"],
  fileTitle: ["This cannot be opened as a model", "Das lässt sich nicht als Modell öffnen"],
  fileHint: [
    "Expected is a folder in diffusers' layout, with model_index.json at the top and weights as safetensors or GGUF, or one such file for the model that is open.",
    "Erwartet wird ein Ordner im Aufbau von diffusers, mit model_index.json obenauf und Gewichten als safetensors oder GGUF, oder eine solche Datei für das offene Modell.",
  ],
  fetchTitle: ["The model could not be fetched", "Das Modell ließ sich nicht herunterladen"],
  fetchHint: [
    "What has arrived is kept: the download goes on from there.",
    "Was angekommen ist, bleibt: Von dort geht es weiter.",
  ],
  pictureTitle: ["This picture cannot be used", "Dieses Bild lässt sich nicht verwenden"],
  unsupportedTitle: ["This is not supported", "Das geht hier nicht"],
  numericTitle: ["The picture came out damaged", "Das Bild ist beschädigt herausgekommen"],
  unavailableTitle: ["A service does not answer", "Ein Dienst antwortet nicht"],
  internalTitle: ["Something unexpected happened", "Etwas Unerwartetes ist passiert"],
  internalHint: [
    "Trying again may help; reloading the page starts afresh.",
    "Ein neuer Versuch kann helfen; Neuladen der Seite beginnt von vorn.",
  ],
  tokenTitle: ["This server wants its token", "Dieser Server will sein Kennwort"],
} as const;

/** Name of a text. */
export type TextName = keyof typeof TEXTS;

/** All texts of a language, loaded when it is switched to. */
export const COLUMNS: Readonly<
  Record<(typeof LANGUAGES)[number], () => Promise<Readonly<Record<string, string>>>>
> = {
  en: () => Promise.resolve(column(0)),
  de: () => Promise.resolve(column(1)),
};

function column(index: 0 | 1): Record<string, string> {
  return Object.fromEntries(Object.entries(TEXTS).map(([name, row]) => [name, row[index]]));
}
