"""What instruments are called, and which sources they may be part of, from the most specific to the most general.

A line `violin < strings` holds the names of one kind of instrument, and what else it is part of; `violin` is a name
too. A kind without parent is part of `other`, which is all that has no source of its own. Kinds follow MedleyDB's
instruments and the taxonomy of MoisesDB (Pereira et al., ISMIR 2023), whose piano is electric too. Names are English
with the abbreviations of mixing desks, then German, French, Spanish, Italian, Portuguese. Left out are names that
are something else in another language or in a song's form: coro and outro are sections too, alto is a voice or a viola.
"""

ALL_BUT_VOCALS = "accompaniment"
"""What other and everything else but the vocals is part of, where a network has no more than that."""

INSTRUMENTS = {
    "vocals": (
        "vocal, vox, voc, vocs, vx, vocl, voice, voices, singing, sing, sung, gesang, stimme, stimmen, voix, "
        "chant, voz, voces, canto, voce, voci, vozes, vocais"
    ),
    "lead vocals < vocals": (
        "lead vocal, lead vox, lead voc, lead voice, lead singer, lead vocalist, lv, ld vox, ld voc, leadvox, "
        "leadvocal, leadvocals, main vocals, main vocal, main vox, hauptstimme, leadgesang, hauptgesang, "
        "leadstimme, voix lead, voix principale, chant lead, chant principal, voz principal, voz lider, voce "
        "principale, voce solista"
    ),
    "backing vocals < vocals": (
        "backing vocal, backing vox, backing voc, backing voice, backing voices, backings, back vocals, "
        "background vocals, background vocal, background vox, background singing, bgv, bgvs, bgvox, bg vox, bg "
        "vocals, bv, bvs, bvox, bvoc, bvocs, bkg vox, bkg vocals, bkgvox, bckvox, backingvox, gang vocals, "
        "group vocals, crowd vocals, harmony vocals, harmony vocal, harmony vox, harm vox, chorus vocals, "
        "nebenstimme, nebenstimmen, backgroundgesang, hintergrundgesang, zweitstimme, background chor, "
        "background choir, choeurs, voix de fond, coros, segundas voces, cori, backing vocais, segunda voz, "
        "vocais de apoio"
    ),
    "choir < vocals": (
        "choirs, chor, chöre, choeur, chœur, chorale, kinderchor, frauenchor, männerchor, corale, gospel choir"
    ),
    "singer < vocals": (
        "singers, vocalist, vocalists, harmonies, rapper, rap, speaker, speech, spoken, spoken word, spoken "
        "words, screamer, screams, scream, growls, adlib, adlibs, ad lib, ad libs, beatbox, humming, yodel, "
        "bass voice, bass voices, bass vocal, bass vocals, bass singer, bass vox, tenor voice, alto voice, "
        "soprano voice, baritone voice, sänger, sängerin, gesangsstimme, frauenstimme, männerstimme, "
        "kinderstimme, sprecher, sprecherin, sprechgesang, sprache, chanteur, chanteuse, voix parlée, "
        "cantante, cantantes, cantor, cantora, narrador, vocalista"
    ),
    "drums": "drum, drms, drm, drs, schlagzeug, schlagzeuge, batterie, batería, batteria, bateria",
    "drum kit < drums": (
        "kit, drum set, drumset, drumkit, drum machine, drummachine, drum loop, drumloop, drum loops, "
        "electronic drums, edrums, e drums, beat loop, trommeln, trommel, schlagzeugset, caja de ritmos, boîte "
        "à rythmes, drumcomputer, tr 808, 909"
    ),
    "kick < drums": (
        "kicks, kick drum, kickdrum, kik, kck, bass drum, bassdrum, bd, bdr, kd, kk, grosse trommel, grosse "
        "trommel, basstrommel, grosse caisse, bombo, cassa, gran cassa, grancassa, bumbo"
    ),
    "snare < drums": (
        "snares, snare drum, snaredrum, snr, sn, sd, rim shot, rimshot, rim, side stick, sidestick, kleine "
        "trommel, caisse claire, redoblante, rullante, caja, tarola, caixa"
    ),
    "toms < drums": (
        "tom, tomtom, tom tom, floor tom, rack tom, ft, rt, flr tom, fl tom, ftom, standtom, hängetom, timbalão, surdo"
    ),
    "cymbals < drums": (
        "cymbal, cym, cyms, crash, crashes, ride, rides, china, splash, rd, becken, cymbales, platillos, "
        "platos, piatti, piatto, pratos"
    ),
    "hi hat < cymbals": (
        "hi hats, hihat, hihats, high hat, high hats, hat, hats, hh, hhat, hht, charleston, charley, charles, "
        "contratiempo, chimbal"
    ),
    "overheads < drums": (
        "overhead, oh, ohs, ovh, ovhd, ovhds, drum overheads, drum overhead, drum room, drums room, drum "
        "rooms, drum amb, schlagzeug raum, overs"
    ),
    "percussion < drums": (
        "perc, prc, percs, percussions, perkussion, perkussionen, schlagwerk, percusión, percusiones, "
        "percussioni, percussione, percussão, percussões, claps, clap, handclap, handclaps, hand claps, snaps, "
        "finger snaps, shaker, shakers, shkr, tambourine, tamb, tambo, cowbell, bongo, bongos, conga, congas, "
        "timbales, tabla, tablas, cajon, cajón, djembe, djembé, doumbek, darbuka, castanet, castanets, cabasa, "
        "guiro, güiro, woodblock, wood block, gu, gong, sleigh bells, timpani, timp, pauken, pauke, timbales "
        "d'orchestre, triangle, triangel, maracas, maraca, tamburin, schellenkranz, rassel, klatschen, palmas, "
        "tambourin, pandereta, pandeiro, tamborim, cuica, cuíca, agogo, agogô, claves"
    ),
    "bass": "basses, bs, bas, bass track, basse, bajo, basso, baixo",
    "bass guitar < bass": (
        "bass gtr, bassguitar, bass git, ebass, e bass, e basses, el bass, elbass, electric bass, fretless "
        "bass, slap bass, bassgitarre, guitare basse, basse électrique, bajo eléctrico, basso elettrico, baixo "
        "elétrico"
    ),
    "double bass < bass": (
        "doublebass, upright bass, acoustic bass, contrabass, string bass, db, kontrabass, contrebasse, "
        "contrabajo, contrabbasso, contrabaixo, bajo acústico"
    ),
    "synth bass < bass": (
        "synthbass, bass synth, bass synthesizer, sub bass, subbass, 808, 808s, 808 bass, moog bass, reese, reese bass"
    ),
    "other": (
        "others, andere, anderes, sonstige, sonstiges, übrige, übriges, autre, autres, otros, otras, altro, "
        "altri, outros, outras, residual"
    ),
    "guitar": (
        "guitars, gtr, gtrs, guit, gitarre, gitarren, git, guitare, guitares, guitarra, guitarras, chitarra, chitarre"
    ),
    "electric guitar < guitar": (
        "electric guitars, electric gtr, elec guitar, elec gtr, e guitar, e guitars, e gtr, e gtrs, egtr, "
        "egtrs, eguitar, el guitar, el gtr, elgtr, eg, egit, e git, e gitarre, e gitarren, egitarre, "
        "elektrogitarre, stromgitarre, guitare électrique, guitarra eléctrica, chitarra elettrica, guitarra "
        "elétrica"
    ),
    "acoustic guitar < guitar": (
        "acoustic guitars, acoustic gtr, a guitar, a gtr, a gtrs, agtr, agtrs, ac guitar, ac gtr, acgtr, acou "
        "gtr, ag, agit, a git, akustikgitarre, akustische gitarre, a gitarre, westerngitarre, konzertgitarre, "
        "nylon guitar, nylon gtr, classical guitar, klassische gitarre, 12 string, twelve string guitar, "
        "guitare acoustique, guitare sèche, guitare folk, guitarra acústica, guitarra española, chitarra "
        "acustica, chitarra classica, violão, violões"
    ),
    "lap steel guitar < guitar": (
        "lap steel, pedal steel, pedal steel guitar, steel guitar, slide guitar, slide gtr, dobro"
    ),
    "keys": (
        "keyboard, keyboards, kbd, kbds, keyb, tasten, tasteninstrumente, clavier, claviers, teclado, "
        "teclados, tastiera, tastiere"
    ),
    "piano < keys": (
        "pianos, pno, pn, pf, pianoforte, klavier, flügel, konzertflügel, piano à queue, grand piano, upright "
        "piano, tack piano"
    ),
    "electric piano < piano": (
        "e piano, epiano, el piano, ep, eps, rhodes, fender rhodes, rhds, wurlitzer, wurli, wurly, wurl, "
        "elektropiano, piano électrique, piano eléctrico, piano elettrico, piano elétrico"
    ),
    "organ < keys": (
        "organs, org, b3, hammond, hammond organ, hammond b3, pipe organ, church organ, orgel, orgeln, "
        "kirchenorgel, hammondorgel, orgue, órgano, organo, órgão"
    ),
    "synth < keys": (
        "synths, syn, synthesizer, synthesizers, synthesiser, synthesisers, synt, snt, moog, pad, pads, synth "
        "pad, arpeggio, arp, arps, plucks, synthie, synthé, synthétiseur, sintetizador, sintetizadores, "
        "sintetizzatore, analog synth, mellotron, mellotrons, sequencer, theremin"
    ),
    "clavinet < keys": ("clav, clavi, harpsichord, cembalo, clavecin, clavecín, clavicembalo, cravo, celesta, celeste"),
    "strings": (
        "string, string section, strs, str, strgs, strg, stgs, streicher, cordes, cuerdas, archi, cordas, "
        "string quartet, string ensemble, streichquartett, orchestral strings"
    ),
    "violin < strings": (
        "violins, vln, vlns, vn, vl, fiddle, fiddles, geige, geigen, violine, violinen, violon, violons, "
        "violín, violines, violino, violini, violinos"
    ),
    "viola < strings": "violas, vla, vlas, va, bratsche, bratschen, viole",
    "cello < strings": (
        "cellos, celli, vc, vcl, vlc, violoncello, violoncelli, violoncelle, violoncelles, violonchelo, "
        "violoncelo, chelo"
    ),
    "wind": ("winds, wind section, bläser, blasinstrumente, vents, vientos, fiati, sopros, horn section, horns"),
    "brass < wind": "brass section, blechbläser, blech, cuivres, metales, ottoni, metais",
    "trumpet < brass": (
        "trumpets, tpt, tpts, trp, trpt, tp, trompete, trompeten, trompette, trompettes, trompeta, trompetas, "
        "tromba, trombe, cornet, flugelhorn, flügelhorn, bugle, flh"
    ),
    "trombone < brass": (
        "trombones, bass trombone, tbn, tbns, trb, trbn, tb, posaune, posaunen, bassposaune, trombón, tromboni"
    ),
    "french horn < brass": "horn, hn, hrn, hns, waldhorn, hörner, cor, corno, corni, trompa",
    "tuba < brass": "tubas, tba, euphonium, sousaphone, baritone horn",
    "woodwind < wind": ("woodwinds, ww, wws, woodwind section, holzbläser, bois, maderas, legni, madeiras"),
    "saxophone < woodwind": (
        "saxophones, sax, saxes, saxs, sx, alto sax, tenor sax, bari sax, bari, baritone sax, soprano sax, "
        "asax, tsax, bsax, ssax, saxophon, saxofon, saxofón, saxo, saxos, sassofono, saxofone"
    ),
    "flute < woodwind": (
        "flutes, fl, flts, alto flute, bass flute, piccolo, picc, flöte, flöten, floete, querflöte, "
        "blockflöte, recorder, flûte, flûtes, flauta, flautas, flauto, flauti, whistle, tin whistle, pan "
        "flute, panflöte, bamboo flute, dizi, bansuri, shakuhachi, pfeifen"
    ),
    "clarinet < woodwind": (
        "clarinets, cl, clar, bass clarinet, klarinette, klarinetten, bassklarinette, clarinette, clarinete, clarinetto"
    ),
    "oboe < woodwind": "oboes, ob, english horn, cor anglais, oboen, hautbois",
    "bassoon < woodwind": "bassoons, bsn, contrabassoon, fagott, basson, fagot, fagotto, fagote",
    "accordion": (
        "accordions, accord, akkordeon, accordéon, acordeón, fisarmonica, acordeão, sanfona, bandoneon, "
        "bandoneón, concertina, melodica, melodika, harmonium"
    ),
    "harmonica": "harmonicas, harp blues, blues harp, mundharmonika, armónica, armonica, gaita",
    "harp": "harps, harfe, harfen, harpe, arpa, harpa",
    "banjo": (
        "banjos, mandolin, mandolins, mando, mandoline, mandolina, mandolino, bandolim, ukulele, uke, ukelele, "
        "cavaquinho, charango, sitar, oud, lute, laute, laúd, bouzouki, zither, zitar, dulcimer, koto, "
        "guzheng, erhu, yangqin, zhongruan, liuqin, dilruba, shamisen, balalaika, kora"
    ),
    "mallets": (
        "mallet, vibraphone, vibes, vib, vibraphon, marimba, xylophone, xylophon, xilófono, glockenspiel, "
        "glock, steel drum, steel drums, steel pan, bells, tubular bells, chimes, glocken, röhrenglocken, "
        "cloches, campanas, campane, sinos, kalimba, music box, bar chimes, windchimes, wind chimes"
    ),
    "orchestra": ("orch, orchester, orchestre, orquesta, orquestra, ensemble, bagpipes, bagpipe, dudelsack, cornemuse"),
    "effects": (
        "effect, fx, sfx, fx / processed sound, efx, effekt, effekte, effets, efectos, effetti, efeitos, "
        "sampler, samples, scratches, scratch, turntables, turntable, dj, risers, riser, sweep, sweeps, "
        "impact, impacts, whoosh, noise fx, foley, crowd, applause, applaus, publikum, público, atmo, atmos, "
        "atmosphere, ambience, drone"
    ),
    "accompaniment": (
        "accomp, backing track, backingtrack, begleitung, accompagnement, acompañamiento, accompagnamento, "
        "acompanhamento"
    ),
}
"""Kind, perhaps < the kind it is part of → its other names."""

SOURCE_NAMES = {
    "no vocals": "accompaniment",
    "no vocal": "accompaniment",
    "instrumental": "accompaniment",
    "instruments": "accompaniment",
    "music": "accompaniment",
    "karaoke": "accompaniment",
    "speech": "vocals",
    "rest": "other",
    "noise": "other",
}
"""What networks call sources that in an annotation would be taken for something else."""

QUALIFIERS = (
    "i, ii, iii, iv, lead, ld, main, solo, soli, rhythm, rhy, rythm, rtm, rh, first, second, third, back, "
    "backing, background, bg, harmony, harm, male, female, clean, distorted, dist, drive, crunch, electric, "
    "elec, acoustic, ac, el, nylon, steel, muted, mute, left, right, center, centre, mid, side, top, bottom, "
    "bot, btm, high, low, hi, lo, inside, outside, french, alto, tenor, soprano, baritone, bamboo, tack, "
    "grand, upright, electronic, analog, digital, section, auxiliary, aux, live, closed, open, floor, rack, "
    "room, di, in, out, dbl, double, doubled, doubles, dbls, quad, dub, dubs, overdub, od, l, r, c, m, s, lr, "
    "ms, mono, stereo, st, fx, verb, reverb, rvb, delay, dly, echo, dry, wet, amp, amped, cab, mic, mics, "
    "mike, direct, ribbon, cond, dyn, 57, 421, 87, send, ret, return, para, parallel, comp, compressed, crush, "
    "crushed, print, prints, printed, render, bounce, take, tk, tks, comped, edit, edits, edited, tuned, tune, "
    "raw, processed, proc, eq, copy, alt, new, old, final, orig, sample, smp, trig, trigger, trg, loop, part, "
    "pt, v, vers, version, hook, verse, chorus, bridge, intro, pre, outro, riff, hit, hits, line, melody, "
    "chords, chord, arpeggiated, picked, picking, strum, strummed, strumming, slap, slide, plucked, pizz, "
    "pizzicato, arco, ebow, whammy, wah, octave, oct, 8va, 8vb, unison, falsetto, whisper, whispered, shout, "
    "shouts, ooh, oohs, aah, aahs, /, links, rechts, mitte, oben, unten, laut, leise, verzerrt, akustisch, "
    "elektrisch, erste, zweite, dritte, männlich, weiblich, hintergrund, gauche, droite, électrique, "
    "acoustique, principal, principale, rythmique, saturée, homme, femme, de, du, fond, masculine, féminine, "
    "izquierda, derecha, eléctrica, eléctrico, acústica, acústico, rítmica, limpia, masculina, femenina, "
    "fondo, sinistra, destra, elettrica, elettrico, acustica, acustico, ritmica, solista, maschile, femminile, "
    "esquerda, direita, elétrica, elétrico, feminina, limpa"
)
"""Words beside a name that do not change whose it is, but make it one of several: lead vocal, kick in, vox dbl."""

WHOLE = (
    "bus, buss, group, grp, sum, submix, stem, stems, all, full, total, track, trk, tracks, mix, master, gesamt, alle"
)
"""Words beside a name that do not even do that: drum bus, all vocals."""

NEGATIONS = (
    "no more, no, non, not, without, w / o, kein, keine, ohne, pas de, sans, sin, senza, sem, silence of, silence in, "
    "silence, silent, tacet, stille, silencio, silêncio, silenzio"
)
"""Words before a name that say that it does not play."""

SILENCE = (
    "sil, sp, spn, pau, silence, silent, silences, rest, rests, pause, pauses, instrumental, instrumentals, "
    "inst, tacet, nil, none, nothing, empty, blank, mute, muted, off, inactive, no, 0, -, --, ---, _, –, —, ., "
    ".., ..., …, #, ##, <sil>, <sp>, <p>, <p:>, <pau>, [silence], [sil], (sil), (silence), (pause), (rest), "
    "<silence>, <rest>, <unvoiced>, stille, ruhe, leer, aus, pausen, still, silencio, silêncio, silenzio, "
    "pausa, pausas, vuoto, vide, vacío, vazio, stumm, schweigt, muet, mudo, muto, nosing, no sing, unvoiced, "
    "non vocal, nonvocal"
)
"""Words that, in a tier, layer or file that is named after a source, say that it rests."""

WORDS = (
    "words, word, phones, phonemes, phoneme, syllables, lyrics, lyric, transcript, transcription, utterances, "
    "chords, chord, beats, beat, bars, measures, notes, pitch, key, tempo, form, structure, sections, section, "
    "segments, comments, remarks, wörter, laute, silben, text, texte, liedtext, akkorde, noten, form, teile, "
    "paroles, accords, mots, palabras, letra, acordes, parole, testo, accordi, palavras"
)
"""What tiers and files are called whose labels are no names: HH is a sound of speech there, and A a chord."""
