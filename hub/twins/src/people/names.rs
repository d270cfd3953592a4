//! Where people come from, and what they and their companies are called.

use super::draw::Draw;

/// A name as it is written, and as it stands in an e-mail address.
type Name = (&'static str, &'static str);

pub(crate) struct Locale {
    pub(crate) country: &'static str,
    pub(crate) country_name: &'static str,
    pub(crate) language: &'static str,
    pub(crate) calling_code: &'static str,
    /// What stands before a number that is dialled inside the country.
    pub(crate) trunk: &'static str,
    /// A mobile number without its country, `x` for any digit.
    pub(crate) number: &'static str,
    pub(crate) mail: &'static str,
    pub(crate) given: &'static [Name],
    pub(crate) family: &'static [Name],
    pub(crate) particles: &'static [&'static str],
    pub(crate) cities: &'static [&'static str],
}

impl Locale {
    /// The locale of a country that one of these people lives in.
    pub(crate) fn of(country: &str) -> &'static Locale {
        LOCALES
            .iter()
            .find(|locale| locale.country == country)
            .unwrap_or(&LOCALES[0])
    }
}

/// Three of four come from the first half of the list.
pub(crate) fn locale(draw: &mut Draw) -> &'static Locale {
    let common = LOCALES.len() / 2;
    if draw.chance(75) {
        draw.pick(&LOCALES[..common])
    } else {
        draw.pick(&LOCALES[common..])
    }
}

#[rustfmt::skip]
pub(crate) const COMPANIES: &[&str] = &[
    "Nordlicht", "Harbour Tools", "Blue Kiln", "Zonneveld", "Atelier Sud", "Brightwater",
    "Kestrel Freight", "Lindenhof", "Oak and Iron", "Papeterie Duval", "Quayside Foods",
    "Rheinwerk Optik", "Saltmarsh", "Tallgrass Media", "Umbra Studio", "Vela Marine",
    "Windrose", "Yardley Print", "Zephyr Cycles", "Alpenglow", "Copper Lane", "Driftwood",
    "Eastgate Dental", "Ferrum", "Goldcrest", "Hazel and Finch", "Inkwell", "Juniper Labs",
];

pub(crate) const SUFFIXES: &[&str] = &["", "", "GmbH", "Ltd", "Inc.", "B.V.", "S.A.", "AG"];

#[rustfmt::skip]
pub(crate) const TITLES: &[&str] = &[
    "Owner", "Head of Purchasing", "Accountant", "Engineer", "Office Manager", "CEO",
    "Designer", "Sales Manager", "Warehouse Lead", "Consultant",
];

#[rustfmt::skip]
pub(crate) const STREETS: &[&str] = &[
    "Station Road", "Mill Lane", "Church Street", "Garden Row", "Harbour View", "Park Avenue",
    "Bridge Street", "Orchard Way", "Market Square", "Hill Crest",
];

// One name a line would hide the table.
#[rustfmt::skip]
static LOCALES: &[Locale] = &[
    Locale {
        country: "DE",
        country_name: "Germany",
        language: "de",
        calling_code: "49",
        trunk: "0",
        number: "1512xxxxxxx",
        mail: "postkasten.test",
        given: &[
            ("Jürgen", "juergen"), ("Anna", "anna"), ("Lukas", "lukas"),
            ("Käthe", "kaethe"), ("Sören", "soeren"), ("Miriam", "miriam"),
            ("Björn", "bjoern"), ("Heike", "heike"), ("Tobias", "tobias"),
        ],
        family: &[
            ("Müller", "mueller"), ("Schäfer", "schaefer"), ("Weiß", "weiss"),
            ("Krüger", "krueger"), ("Lindemann", "lindemann"), ("Vogt", "vogt"),
            ("Hofmann", "hofmann"), ("Brandt", "brandt"), ("Stein", "stein"),
        ],
        particles: &[],
        cities: &["Berlin", "Köln", "München", "Leipzig"],
    },
    Locale {
        country: "GB",
        country_name: "United Kingdom",
        language: "en",
        calling_code: "44",
        trunk: "0",
        number: "7911xxxxxx",
        mail: "penfriend.test",
        given: &[
            ("Alice", "alice"), ("Siobhán", "siobhan"), ("Oliver", "oliver"),
            ("Priya", "priya"), ("Graham", "graham"), ("Imogen", "imogen"),
            ("Rhys", "rhys"), ("Harriet", "harriet"), ("Kwame", "kwame"),
        ],
        family: &[
            ("O'Brien", "obrien"), ("Smith-Jones", "smithjones"), ("Clarke", "clarke"),
            ("Whitfield", "whitfield"), ("MacLeod", "macleod"), ("Patel", "patel"),
            ("Ashworth", "ashworth"), ("Mensah", "mensah"), ("Turner", "turner"),
        ],
        particles: &[],
        cities: &["London", "Leeds", "Cardiff", "Glasgow"],
    },
    Locale {
        country: "US",
        country_name: "United States",
        language: "en",
        calling_code: "1",
        trunk: "",
        number: "212234xxxx",
        mail: "mailbarn.test",
        given: &[
            ("Emily", "emily"), ("Marcus", "marcus"), ("José", "jose"),
            ("Destiny", "destiny"), ("Walter", "walter"), ("Chloe", "chloe"),
            ("DeShawn", "deshawn"), ("Megan", "megan"), ("Tyler", "tyler"),
        ],
        family: &[
            ("Johnson", "johnson"), ("Rodríguez", "rodriguez"), ("Nguyen", "nguyen"),
            ("Washington", "washington"), ("Kowalski", "kowalski"), ("Reed", "reed"),
            ("Hernandez", "hernandez"), ("McCarthy", "mccarthy"), ("Lee", "lee"),
        ],
        particles: &[],
        cities: &["New York", "Austin", "Portland", "St. Louis"],
    },
    Locale {
        country: "NL",
        country_name: "Netherlands",
        language: "nl",
        calling_code: "31",
        trunk: "0",
        number: "61xxxxxxx",
        mail: "brievenbus.test",
        given: &[
            ("Jan", "jan"), ("Sanne", "sanne"), ("Daniël", "daniel"),
            ("Femke", "femke"), ("Bram", "bram"), ("Lotte", "lotte"),
        ],
        family: &[
            ("Berg", "berg"), ("Dijk", "dijk"), ("Vries", "vries"),
            ("Jansen", "jansen"), ("Visser", "visser"), ("Meer", "meer"),
        ],
        particles: &["van der", "van den", "de", "van"],
        cities: &["Amsterdam", "Utrecht", "Den Haag", "'s-Hertogenbosch"],
    },
    Locale {
        country: "ES",
        country_name: "Spain",
        language: "es",
        calling_code: "34",
        trunk: "",
        number: "612xxxxxx",
        mail: "buzon.test",
        given: &[
            ("Íñigo", "inigo"), ("Lucía", "lucia"), ("Andrés", "andres"),
            ("Begoña", "begona"), ("Mateo", "mateo"), ("Carmen", "carmen"),
        ],
        family: &[
            ("Cruz", "cruz"), ("Núñez", "nunez"), ("García López", "garcialopez"),
            ("Fuente", "fuente"), ("Romero", "romero"), ("Ibáñez", "ibanez"),
        ],
        particles: &["de la", "del"],
        cities: &["Madrid", "Sevilla", "A Coruña", "Bilbao"],
    },
    Locale {
        country: "FR",
        country_name: "France",
        language: "fr",
        calling_code: "33",
        trunk: "0",
        number: "612xxxxxx",
        mail: "boiteauxlettres.test",
        given: &[
            ("Hélène", "helene"), ("Jean-Luc", "jeanluc"), ("Zoé", "zoe"),
            ("François", "francois"), ("Camille", "camille"), ("Noël", "noel"),
        ],
        family: &[
            ("Lefèvre", "lefevre"), ("Dupont", "dupont"), ("Beauvoir", "beauvoir"),
            ("Rochefoucauld", "rochefoucauld"), ("Moreau", "moreau"), ("Petit", "petit"),
        ],
        particles: &["de", "de la"],
        cities: &["Paris", "Lyon", "Saint-Étienne", "Nîmes"],
    },
    Locale {
        country: "JP",
        country_name: "Japan",
        language: "ja",
        calling_code: "81",
        trunk: "0",
        number: "901234xxxx",
        mail: "yubin.test",
        given: &[
            ("太郎", "taro"), ("花子", "hanako"), ("健一", "kenichi"),
            ("さくら", "sakura"), ("翔", "sho"), ("美咲", "misaki"),
        ],
        family: &[
            ("田中", "tanaka"), ("佐藤", "sato"), ("鈴木", "suzuki"),
            ("高橋", "takahashi"), ("渡辺", "watanabe"), ("小林", "kobayashi"),
        ],
        particles: &[],
        cities: &["東京", "大阪", "札幌", "福岡"],
    },
    Locale {
        country: "GR",
        country_name: "Greece",
        language: "el",
        calling_code: "30",
        trunk: "",
        number: "694xxxxxxx",
        mail: "tachydromeio.test",
        given: &[
            ("Γιώργος", "giorgos"), ("Ελένη", "eleni"), ("Νίκος", "nikos"),
            ("Αθηνά", "athina"), ("Δημήτρης", "dimitris"), ("Χαρά", "chara"),
        ],
        family: &[
            ("Παπαδόπουλος", "papadopoulos"), ("Νικολάου", "nikolaou"),
            ("Γεωργίου", "georgiou"), ("Αλεξίου", "alexiou"), ("Βλάχος", "vlachos"),
        ],
        particles: &[],
        cities: &["Αθήνα", "Θεσσαλονίκη", "Πάτρα", "Ηράκλειο"],
    },
    Locale {
        country: "BG",
        country_name: "Bulgaria",
        language: "bg",
        calling_code: "359",
        trunk: "0",
        number: "887xxxxxx",
        mail: "poshta.test",
        given: &[
            ("Иван", "ivan"), ("Мария", "maria"), ("Георги", "georgi"),
            ("Десислава", "desislava"), ("Петър", "petar"), ("Цветана", "tsvetana"),
        ],
        family: &[
            ("Иванов", "ivanov"), ("Петрова", "petrova"), ("Димитров", "dimitrov"),
            ("Стоянова", "stoyanova"), ("Живков", "zhivkov"), ("Ангелова", "angelova"),
        ],
        particles: &[],
        cities: &["София", "Пловдив", "Варна", "Русе"],
    },
    Locale {
        country: "EG",
        country_name: "Egypt",
        language: "ar",
        calling_code: "20",
        trunk: "0",
        number: "100xxxxxxx",
        mail: "barid.test",
        given: &[
            ("محمد", "mohamed"), ("فاطمة", "fatma"), ("أحمد", "ahmed"),
            ("نور", "nour"), ("عمر", "omar"), ("ليلى", "layla"),
        ],
        family: &[
            ("حسن", "hassan"), ("السيد", "elsayed"), ("إبراهيم", "ibrahim"),
            ("منصور", "mansour"), ("عبد الله", "abdallah"), ("خليل", "khalil"),
        ],
        particles: &[],
        cities: &["القاهرة", "الإسكندرية", "الجيزة", "أسوان"],
    },
];
