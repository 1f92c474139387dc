//! What the provider offers, and what it costs.

use std::borrow::Cow;

use rmachine_driver::{Catalog, CatalogSpec, DriverError, Quote};
use rmachine_rest::Api;

use crate::model::{Image, Region, Size};
use crate::paths;

pub(crate) fn specs() -> Vec<CatalogSpec> {
    let spec = |name: &'static str, help: &'static str, option: &'static str| CatalogSpec {
        name: name.into(),
        help: help.into(),
        options: vec![option.into()],
    };
    vec![
        spec("regions", "List regions", "digitalocean-region"),
        spec("sizes", "List sizes and their prices", "digitalocean-size"),
        spec("images", "List public images and the snapshots of the account", "digitalocean-image"),
    ]
}

pub(crate) async fn sizes(api: &Api) -> Result<Vec<Size>, DriverError> {
    Ok(api.list(&paths::sizes(), "sizes").await?)
}

/// Refuses what the provider would refuse, in words that name what there is.
pub(crate) fn offered<'a>(sizes: &'a [Size], slug: &str, region: &str) -> Result<&'a Size, DriverError> {
    let Some(size) = sizes.iter().find(|s| s.slug == slug) else {
        return Err(DriverError::invalid(format!("DigitalOcean has no size {slug:?}"))
            .hint("rmachine digitalocean sizes"));
    };
    // A prefix stands for any region that begins with it.
    let there = size.regions.iter().any(|r| r.starts_with(region));
    if size.available && there {
        return Ok(size);
    }
    let elsewhere = size.regions.join(", ");
    let whole = if sizes.iter().any(|s| s.regions.iter().any(|r| r.starts_with(region))) {
        format!("the size {slug:?} is not to be had in the region {region:?}; it is in {elsewhere}")
    } else {
        format!("DigitalOcean has no region {region:?}")
    };
    Err(DriverError::invalid(whole).hint("rmachine digitalocean regions"))
}

pub(crate) fn quote(size: &Size) -> Quote {
    Quote { per_hour: dollars(size.price_hourly), per_month: dollars(size.price_monthly) }
}

/// Cents, and as many digits more as a small price needs.
fn dollars(price: f64) -> String {
    let long = format!("{price:.5}");
    let short = long.trim_end_matches('0');
    let digits = short.rsplit_once('.').map_or(0, |(_, d)| d.len()).max(2);
    format!("${price:.digits$}")
}

pub(crate) async fn catalog(api: &Api, name: &str) -> Result<Catalog, DriverError> {
    match name {
        "regions" => regions(api).await,
        "sizes" => Ok(size_table(sizes(api).await?)),
        "images" => images(api).await,
        other => Err(DriverError::invalid(format!("DigitalOcean has no list of {other}"))),
    }
}

async fn regions(api: &Api) -> Result<Catalog, DriverError> {
    let mut all: Vec<Region> = api.list(&paths::regions(), "regions").await?;
    all.retain(|r| r.available);
    all.sort_by(|a, b| a.slug.cmp(&b.slug));
    let rows = all.into_iter().map(|r| vec![r.slug, r.name]).collect();
    Ok(Catalog { columns: ["REGION", "NAME"].map(Cow::Borrowed).to_vec(), rows })
}

fn size_table(mut all: Vec<Size>) -> Catalog {
    all.retain(|s| s.available);
    all.sort_by(|a, b| a.price_monthly.total_cmp(&b.price_monthly).then_with(|| a.slug.cmp(&b.slug)));
    let row = |s: Size| {
        let Quote { per_hour, per_month } = quote(&s);
        let memory = format!("{} MB", s.memory);
        let disk = format!("{} GB", s.disk);
        vec![
            s.slug,
            s.vcpus.to_string(),
            memory,
            disk,
            per_hour,
            per_month,
            s.description,
            s.regions.join(" "),
        ]
    };
    Catalog {
        columns: ["SIZE", "CPUS", "MEMORY", "DISK", "PER HOUR", "PER MONTH", "CLASS", "REGIONS"]
            .map(Cow::Borrowed)
            .to_vec(),
        rows: all.into_iter().map(row).collect(),
    }
}

async fn images(api: &Api) -> Result<Catalog, DriverError> {
    let mut all: Vec<Image> = api.list(&paths::images().query("type", "distribution"), "images").await?;
    let own: Vec<Image> = api.list(&paths::own_images(), "images").await?;
    all.extend(own);
    let mut rows: Vec<Vec<String>> = all
        .into_iter()
        .map(|i| vec![i.slug.unwrap_or_else(|| i.id.to_string()), i.distribution, i.name])
        .collect();
    rows.sort();
    rows.dedup();
    Ok(Catalog { columns: ["IMAGE", "DISTRIBUTION", "NAME"].map(Cow::Borrowed).to_vec(), rows })
}

/// Of a time like 2020-07-21T18:37:44Z, seconds since 1970.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // Days before a date, its year beginning in March so that a leap day comes last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days =
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices() {
        assert_eq!(dollars(6.0), "$6.00");
        assert_eq!(dollars(0.008_93), "$0.00893");
        assert_eq!(dollars(0.1), "$0.10");
    }

    #[test]
    fn times() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2020-07-21T18:37:44Z"), Some(1_595_356_664));
        assert_eq!(seconds("2024-02-29T00:00:00Z"), Some(1_709_164_800));
        assert_eq!(seconds("soon"), None);
    }
}
